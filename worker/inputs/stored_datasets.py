"""Uploaded data sets, on this machine while a job trains on them."""

import json
from dataclasses import dataclass

import structlog

from ridgeline.api.job import EndCode, EndReason
from ridgeline.storage import DamagedArtifact, UnknownArtifact
from ridgeline.storage.files.datasets import DatasetFiles, DatasetStore, HeldFile

_GONE = EndReason(
    code=EndCode.DATA_UNAVAILABLE,
    detail="The uploaded data set is gone; upload the file again, and post the job again.",
)
_LOST = EndReason(
    code=EndCode.DATA_UNAVAILABLE,
    detail="The store of files has lost the uploaded data set, or has other bytes than were"
    " uploaded; delete the data set, upload the file again, and post the job again.",
)

log = structlog.get_logger()


class NoDataset(Exception):
    """The data set cannot be had, now or later; `reason` tells the user."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(reason.detail)
        self.reason = reason


@dataclass(frozen=True)
class Uploads:
    """Where uploaded data sets are looked up, and where their bytes are."""

    datasets: DatasetStore
    files: DatasetFiles

    def fetch(self, spec: str) -> HeldFile | None:
        """The file that a resolved spec trains on, until it is closed; None for other data.

        Raises NoDataset, DatabaseUnavailable, ArtifactsUnavailable, and OSError as it comes.
        """
        dataset = json.loads(spec).get("dataset", {})
        if dataset.get("source") != "upload":
            return None
        record = self.datasets.get(dataset["id"])
        if record is None:
            raise NoDataset(_GONE)
        try:
            held = self.files.fetch(record)
        except (DamagedArtifact, UnknownArtifact) as error:
            log.error("data_set_lost", id=record.id, because=str(error))  # noqa: TRY400 - expected
            raise NoDataset(_LOST) from error
        log.info("data_set_here", id=record.id, bytes=record.bytes)
        return held
