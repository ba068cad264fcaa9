"""What goes into the storage of data sets and what comes out."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A file that lies in the store already, and what was found in it."""

    name: str
    format: str
    bytes: int
    sha256: str
    key: str
    """Where the file lies."""
    contents: str = field(repr=False)
    """A contract DatasetContents as JSON: the storage does not read it."""
    xxh3: str | None = None
    """What a download is checked by; None for a file of an earlier release."""


@dataclass(frozen=True, kw_only=True)
class DatasetRecord(NewDataset):
    """A data set as it is stored."""

    id: str
    created_at: datetime


class AddedDataset(NamedTuple):
    """The answer to an add."""

    record: DatasetRecord
    existed: bool
    """Whether the same bytes were there before: the new file is to be deleted."""


class DatasetPage(NamedTuple):
    """Some data sets, newest first."""

    records: tuple[DatasetRecord, ...]
    next_after: str | None
    """What to pass as `after` for the next page; None on the last."""


@dataclass(frozen=True, kw_only=True)
class NewUpload:
    """A file that is going to come in parts."""

    name: str
    bytes: int
    part_bytes: int
    format: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class UploadRecord(NewUpload):
    """An upload as it is stored."""

    id: str
    dataset_id: str | None
    """What has become of it, once it is complete."""
    created_at: datetime
    expires_at: datetime
    parts: dict[int, str]
    """The key of each part that was received, by its number."""

    @property
    def part_count(self) -> int:
        """How many parts the whole file has."""
        return -(-self.bytes // self.part_bytes)

    def part_size(self, number: int) -> int:
        """The bytes of a part, numbered from 1."""
        return min(self.part_bytes, self.bytes - (number - 1) * self.part_bytes)
