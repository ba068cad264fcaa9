"""The interface of stores of data set files, and their keys.

Each file gets a new key. Deleting a file by its key therefore never deletes another one: neither
one with the same bytes that is stored concurrently, nor a part that is sent again.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

from ridgeline.storage.files.protocol import BlobStore, Keys, StoredObject
from ridgeline.storage.records.datasets import DatasetRecord

_TOKEN_BYTES = 8
KEYS = Keys(r"(files/[0-9a-f]{64}|parts/up_[0-9a-f]{32}\.[0-9]{1,5})\.[0-9a-f]{16}")


class HeldFile:
    """A file on this machine that is not deleted until it is closed."""

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        self.path = path
        self._descriptor = descriptor

    def close(self) -> None:
        """Release the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        """Release the file if close() was not called: an attempt may end during fetch()."""
        self.close()

    def __enter__(self) -> Self:
        """Hold the file for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the file."""
        self.close()


class DatasetFiles(BlobStore, Protocol):
    """Keeps the files of data sets, and of parts of uploads."""

    def staging(self) -> Path:
        """The folder on this machine in which files are created before they are stored."""

    def store(self, staged_file: Path, key: str) -> None:
        """Move a finished file into the store, durably; raises any OSError."""

    def fetch(self, record: DatasetRecord) -> HeldFile:
        """The verified file of a data set on this machine, kept until it is closed.

        Raises UnknownArtifact, DamagedArtifact, and any OSError.
        """

    def files(self) -> Iterator[StoredObject]:
        """All stored files."""

    def clear_abandoned(self) -> None:
        """Delete the staged files of processes of this machine that have died."""

    def clear_staging(self, before: float) -> None:
        """Delete the files staged here that were not written to since `before`."""


def dataset_key(sha256: str) -> str:
    """A new key for a file with this hash."""
    return f"files/{sha256}.{secrets.token_hex(_TOKEN_BYTES)}"


def part_key(upload_id: str, number: int) -> str:
    """A new key for a file that is a part of an upload."""
    return f"parts/{upload_id}.{number}.{secrets.token_hex(_TOKEN_BYTES)}"
