"""Data set files in a folder that API and workers share."""

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ridgeline.failpoints import failpoint
from ridgeline.storage.errors import DamagedArtifact, UnknownArtifact
from ridgeline.storage.files.artifacts.local import read_file
from ridgeline.storage.files.datasets.protocol import HeldFile, StoredBytes, checked_key, is_key
from ridgeline.storage.files.staging import clear_abandoned, sync_folder
from ridgeline.storage.records.datasets import DatasetRecord

_STAGING = "staging"
_FOLDERS = ("files", "parts")
_READ_ONLY = 0o444


class LocalDatasetFiles:
    """DatasetFiles in a local folder, which is created when something is stored."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def staging(self) -> Path:
        """Create and return the private folder for files on their way in."""
        folder = self._root / _STAGING
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def store(self, staged_file: Path, key: str) -> None:
        """Make the file durable, and rename it into place; nobody writes to it again.

        After a crash at any point the key holds the whole file or none. Raises InvalidArtifactKey,
        and OSError as it comes (ENOSPC, for one).
        """
        target = self._root / checked_key(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged_file.open("rb") as file:
            os.fchmod(file.fileno(), _READ_ONLY)
            os.utime(file.fileno())  # its age as garbage counts from now
            os.fsync(file.fileno())
        failpoint("dataset_file.synced")
        staged_file.rename(target)
        failpoint("dataset_file.renamed")
        for folder in (target.parent, self._root, self._root.parent):
            sync_folder(folder)

    def size(self, key: str) -> int:
        """The bytes of a file; raises InvalidArtifactKey and UnknownArtifact."""
        try:
            return (self._root / checked_key(key)).stat().st_size
        except FileNotFoundError:
            raise UnknownArtifact(key) from None

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, a chunk at a time; raises InvalidArtifactKey, UnknownArtifact."""
        try:
            file = (self._root / checked_key(key)).open("rb", buffering=0)
        except FileNotFoundError:
            raise UnknownArtifact(key) from None
        yield from read_file(file, start, end)

    def signed_url(self, key: str, seconds: float) -> str | None:
        """None: a folder has no address."""
        del key, seconds
        return None

    def fetch(self, record: DatasetRecord) -> HeldFile:
        """The file itself: no data set is deleted while a job that has not ended needs it.

        Raises UnknownArtifact, and DamagedArtifact where it has another size.
        """
        if self.size(record.key) != record.bytes:
            raise DamagedArtifact(record.key)
        return HeldFile(self._root / record.key)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; raises InvalidArtifactKey."""
        for path in [self._root / checked_key(key) for key in keys]:
            path.unlink(missing_ok=True)

    def files(self) -> Iterator[StoredBytes]:
        """Every file that is stored."""
        for folder in _FOLDERS:
            for path in (self._root / folder).glob("*"):
                key = f"{folder}/{path.name}"
                with suppress(FileNotFoundError):
                    if is_key(key):
                        yield StoredBytes(key, path.stat().st_mtime)

    def clear_abandoned(self) -> None:
        """Delete what was staged by processes of this machine that have died."""
        clear_abandoned(self._root / _STAGING)

    def clear_staging(self, before: float) -> None:
        """Delete what was staged and not written to since `before`."""
        for path in (self._root / _STAGING).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
