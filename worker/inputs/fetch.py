"""Fetches the files of a job's data set to this machine: from a mirror of Keras's, or the store."""

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ridgeline.api.job import EndCode, EndReason
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage import ArtifactsUnavailable, DamagedArtifact, UnknownArtifact
from ridgeline.storage.files.bucket import Bucket
from ridgeline.storage.files.datasets import DatasetFiles, DatasetStore, HeldFile
from worker.inputs.keras_files import DATASET_FILES, KERAS_FILES, KerasFile, keras_folder

MAX_BYTES = 2**30
"""More than the largest file (170 MB), less than a disk."""
_MODE = 0o644
_GONE = EndReason(
    code=EndCode.DATA_UNAVAILABLE,
    detail="The stored data set has been deleted; upload the file again, then post the job again.",
)
_LOST = EndReason(
    code=EndCode.DATA_UNAVAILABLE,
    detail="The file of the stored data set is missing or damaged in the store; delete the data"
    " set, upload the file again, then post the job again.",
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Mirror:
    """A copy of Keras's data set folder in a bucket, for workers without access to the internet."""

    bucket: Bucket
    folder: Path = field(default_factory=keras_folder)
    """Keras's own folder on this machine."""

    def fetch(self, spec: JobSpec) -> None:
        """Fetch the files of the spec's data set that the folder lacks.

        A failure is only logged: the trainer then tries to download the file, and reports what is
        missing.
        """
        if spec.dataset.source != "keras":
            return
        for name in DATASET_FILES.get(spec.dataset.name, ()):
            try:
                self._fetch(KERAS_FILES[name])
            except (ArtifactsUnavailable, UnknownArtifact, OSError) as error:
                log.warning("not_in_mirror", file=name, because=str(error))

    def _fetch(self, file: KerasFile) -> None:
        path = self.folder / file.path
        if path.is_file():
            return
        size = self.bucket.size(file.path)
        if size > MAX_BYTES:
            raise OSError(f"it has {size} bytes; expected at most {MAX_BYTES}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the rename stays within one file system, and under a unique
        # name, as another attempt may fetch the same file.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as opened:
                digest = hashlib.sha256()
                received = self.bucket.copy(file.path, size, opened, digest)
                opened.flush()
                os.fsync(opened.fileno())
            if received != size or file.sha256 not in (None, digest.hexdigest()):
                raise OSError(f"its SHA-256 is {digest.hexdigest()}; expected {file.sha256}")
            partial.chmod(_MODE)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        log.info("data_set_fetched", file=file.path, bytes=size)


class NoDataset(Exception):
    """The data set is unavailable for good; `reason` is for the user."""

    def __init__(self, reason: EndReason) -> None:
        super().__init__(reason.detail)
        self.reason = reason


@dataclass(frozen=True)
class StoredDatasets:
    """The stored data sets: their records, and the store with their bytes."""

    datasets: DatasetStore
    files: DatasetFiles

    def fetch(self, spec: JobSpec) -> HeldFile | None:
        """The file that the spec trains on, held until it is closed; None for other data sets.

        Raises:
            NoDataset: If the record or the file is gone or damaged.
            ArtifactsUnavailable, DatabaseUnavailable: If the store or the database is away.
            OSError: From this machine's disk.
        """
        if not isinstance(spec.dataset, UploadDataset):
            return None
        record = self.datasets.get(spec.dataset.id)
        if record is None:
            raise NoDataset(_GONE)
        try:
            held = self.files.fetch(record)
        except (DamagedArtifact, UnknownArtifact) as error:
            log.error("data_set_lost", id=record.id, because=str(error))  # noqa: TRY400 - expected
            raise NoDataset(_LOST) from error
        log.info("data_set_here", id=record.id, bytes=record.bytes)
        return held
