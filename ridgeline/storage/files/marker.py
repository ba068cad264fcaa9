"""The mark at the root of a store of files, which says whose it is: one small object, made once."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ridgeline.failpoints import failpoint
from ridgeline.storage.errors import ArtifactExists, ArtifactsUnavailable
from ridgeline.storage.files.staging import sync_folder

MARKER = ".identity.json"
"""Its name, which no file of a job or of a data set can have."""
MAX_MARKER_BYTES = 2**12
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
_READABLE = 0o644


class Marker(Protocol):
    """The mark of one store. Every call may raise ArtifactsUnavailable."""

    @property
    def place(self) -> str:
        """Where the store is, for people; without credentials."""

    def read(self) -> bytes | None:
        """What the mark says, or None if there is none; no more than MAX_MARKER_BYTES."""

    def create(self, data: bytes) -> None:
        """Set the mark, durably and whole; raises ArtifactExists if there is one."""

    def replace(self, data: bytes) -> None:
        """Set the mark, durably and whole, whatever there is."""


class FolderMarker:
    """The mark of a store in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / MARKER

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._root)

    def read(self) -> bytes | None:
        """What the mark says, or None if there is none; raises ArtifactsUnavailable."""
        with _unavailable():
            try:
                with self._path.open("rb") as file:
                    return file.read(MAX_MARKER_BYTES)
            except FileNotFoundError:
                return None

    def create(self, data: bytes) -> None:
        """Set the mark by a link, which appears whole, once; raises ArtifactExists."""
        with _unavailable(), self._staged(data) as staged:
            failpoint("marker.synced")
            try:
                os.link(staged, self._path)
            except FileExistsError:
                raise ArtifactExists(MARKER) from None
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._create_in_place(data)
            failpoint("marker.linked")
            sync_folder(self._root)

    def replace(self, data: bytes) -> None:
        """Set the mark, whatever there is."""
        with _unavailable(), self._staged(data) as staged:
            staged.rename(self._path)
            sync_folder(self._root)

    def _create_in_place(self, data: bytes) -> None:
        """Set the mark where the file system has no links: a crash may leave half of it."""
        try:
            with self._path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise ArtifactExists(MARKER) from None

    @contextmanager
    def _staged(self, data: bytes) -> Iterator[Path]:
        """A durable file with the data beside the mark, for a block; a process killed leaves it."""
        handle, name = tempfile.mkstemp(dir=self._root, prefix=f"{MARKER}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _READABLE)  # API and workers may be different users
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turn what a file system refuses into what the storage raises: a full disk, for one."""
    try:
        yield
    except OSError as error:
        raise ArtifactsUnavailable(f"{MARKER}: {error}") from None
