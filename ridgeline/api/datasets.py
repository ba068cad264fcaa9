"""Stored data sets, and the uploads (resumable transfers in parts) that bring large ones."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from ridgeline.spec.dataset.contents import DatasetContents, DatasetFormat, DatasetId, Sha256
from ridgeline.spec.dataset.stored import DatasetSnapshot
from ridgeline.spec.schema import Contract, Label


class StoredDataset(DatasetContents):
    """A stored data set: a file and what is in it."""

    id: DatasetId
    name: str
    bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256
    created_at: datetime

    def snapshot(self) -> DatasetSnapshot:
        """What a spec that names the data set records about it."""
        kept = {name: getattr(self, name) for name in DatasetSnapshot.model_fields}
        return DatasetSnapshot(**kept)


class StoredDatasetPage(Contract):
    """One page of data sets, newest first."""

    items: tuple[StoredDataset, ...]
    next: str | None
    """Cursor for `after`, or null on the last page."""


def dataset_id(sha256: str) -> str:
    """The id of the data set with these bytes: `ds_` and the first half of their hash."""
    return f"ds_{sha256[:32]}"


class UploadRequest(Contract):
    """A request to start the upload of a large file."""

    name: Label
    bytes: Annotated[int, Field(ge=1, le=2**53 - 1)]
    """Size of the whole file."""
    format: DatasetFormat | None = None
    """By default detected from the first bytes."""
    sha256: Sha256 | None = None
    """SHA-256 of the whole file, verified once all parts are there."""


class Upload(Contract):
    """The resumable transfer of a large file in parts, in any order, each repeatable."""

    id: Annotated[str, Field(pattern=r"^up_[0-9a-f]{32}$")]
    name: str
    bytes: Annotated[int, Field(ge=1)]
    """Size of the whole file."""
    part_bytes: Annotated[int, Field(ge=1)]
    """Size of every part; the last one may be smaller."""
    parts: int
    """Number of parts, numbered from 1."""
    received: tuple[int, ...]
    """Numbers of the stored parts, ascending. Send the others."""
    format: DatasetFormat | None
    """As given by the client; null if the service is to detect it."""
    sha256: Sha256 | None
    """SHA-256 of the whole file, as given by the client."""
    created_at: datetime
    expires_at: datetime
    """When the received parts are deleted, unless another part arrives before."""
