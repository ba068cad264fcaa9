"""What every store of data set files can do, and the keys of what lies in it.

A key is made for one file and never again, so whoever deletes a file by its key deletes no other:
neither one with the same bytes that somebody stores at the same moment, nor a part sent again.
"""

import os
import re
import secrets
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from ridgeline.storage.errors import InvalidArtifactKey
from ridgeline.storage.records.datasets import DatasetRecord

_TOKEN_BYTES = 8
_KEY = re.compile(r"(files/[0-9a-f]{64}|parts/up_[0-9a-f]{32}\.[0-9]{1,5})\.[0-9a-f]{16}")


class StoredBytes(NamedTuple):
    """A file in the store, whether a record points to it or none."""

    key: str
    modified_at: float
    """Seconds since 1970."""


class HeldFile:
    """A file on this machine that stays there until it is closed."""

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        self.path = path
        self._descriptor = descriptor

    def close(self) -> None:
        """Let it go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        """Let it go where nobody did: an attempt may be given up while it is brought here."""
        self.close()

    def __enter__(self) -> Self:
        """Hold it for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self.close()


class DatasetFiles(Protocol):
    """Keeps the bytes of data sets, and of parts of them, under keys.

    Every call may raise InvalidArtifactKey, and ArtifactsUnavailable where the store is elsewhere.
    """

    def staging(self) -> Path:
        """The folder on this machine in which files are made that are to be stored."""

    def store(self, staged_file: Path, key: str) -> None:
        """Move a finished file into the store, durably; raises OSError as it comes."""

    def size(self, key: str) -> int:
        """The bytes of a file; raises UnknownArtifact."""

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes from `start` to before `end`, a chunk at a time; raises UnknownArtifact.

        Fewer come where the file is shorter. Close it to stop early.
        """

    def signed_url(self, key: str, seconds: float) -> str | None:
        """An address that gives the file to whoever has it, for a time; None: there is none."""

    def fetch(self, record: DatasetRecord) -> HeldFile:
        """Bring the bytes of a data set to this machine, checked, and keep them until it is closed.

        Raises UnknownArtifact, DamagedArtifact, and OSError as it comes.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; those that are gone already are passed over."""

    def files(self) -> Iterator[StoredBytes]:
        """Every file that is stored, for whoever looks for garbage."""

    def clear_abandoned(self) -> None:
        """Delete what was staged by processes of this machine that have died."""

    def clear_staging(self, before: float) -> None:
        """Delete what was staged here and not touched since `before`: its maker has died."""


def dataset_key(sha256: str) -> str:
    """A key for a new file with these bytes."""
    return f"files/{sha256}.{secrets.token_hex(_TOKEN_BYTES)}"


def part_key(upload_id: str, number: int) -> str:
    """A key for a new file that is a part of an upload."""
    return f"parts/{upload_id}.{number}.{secrets.token_hex(_TOKEN_BYTES)}"


def checked_key(key: str) -> str:
    """The key, if it is one; raises InvalidArtifactKey."""
    if not is_key(key):
        raise InvalidArtifactKey(key)
    return key


def is_key(text: str) -> bool:
    """Whether `text` can be the key of a file."""
    return _KEY.fullmatch(text) is not None
