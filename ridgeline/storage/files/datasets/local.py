"""Data set files in a folder shared by API and workers."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ridgeline.failpoints import failpoint
from ridgeline.storage.errors import DamagedArtifact
from ridgeline.storage.files.datasets.protocol import KEYS, HeldFile
from ridgeline.storage.files.local import FolderFiles
from ridgeline.storage.files.protocol import StoredObject
from ridgeline.storage.files.staging import clear_abandoned, sync_folder
from ridgeline.storage.records.datasets import DatasetRecord

_STAGING = "staging"
_FOLDERS = ("files", "parts")
_READ_ONLY = 0o444


class LocalDatasetFiles(FolderFiles):
    """DatasetFiles in a local folder, which is created when a file is stored."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, KEYS)

    def staging(self) -> Path:
        """Create and return the private folder for files that are not stored yet."""
        folder = self._root / _STAGING
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def store(self, staged_file: Path, key: str) -> None:
        """Make the file durable and read-only, and rename it into place.

        After a crash at any point the key has the whole file or none. Raises InvalidArtifactKey,
        and any OSError such as ENOSPC.
        """
        target = self._place(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged_file.open("rb") as file:
            os.fchmod(file.fileno(), _READ_ONLY)
            os.utime(file.fileno())  # the garbage collector counts its age from now
            os.fsync(file.fileno())
        failpoint("dataset_file.synced")
        staged_file.rename(target)
        failpoint("dataset_file.renamed")
        for folder in (target.parent, self._root, self._root.parent):
            sync_folder(folder)

    def fetch(self, record: DatasetRecord) -> HeldFile:
        """The stored file itself: no data set is deleted while a job that has not ended needs it.

        Raises UnknownArtifact, and DamagedArtifact if its size is wrong.
        """
        if self.size(record.key) != record.bytes:
            raise DamagedArtifact(record.key)
        return HeldFile(self._place(record.key))

    def files(self) -> Iterator[StoredObject]:
        """All stored files."""
        for folder in _FOLDERS:
            for path in (self._root / folder).glob("*"):
                key = f"{folder}/{path.name}"
                with suppress(FileNotFoundError):
                    if KEYS.has(key):
                        yield StoredObject(key, path.stat().st_size, path.stat().st_mtime)

    def clear_abandoned(self) -> None:
        """Delete the staged files of processes of this machine that have died."""
        clear_abandoned(self._root / _STAGING)

    def clear_staging(self, before: float) -> None:
        """Delete the staged files that were not written to since `before`."""
        for path in (self._root / _STAGING).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
