"""The marker at the root of a store: a small object with the identity of its database."""

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
"""Its name, which is not a valid key of a job's or a data set's file."""
MAX_MARKER_BYTES = 2**12
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
_READABLE = 0o644


class Marker(Protocol):
    """The marker of a store. Every call may raise ArtifactsUnavailable."""

    @property
    def place(self) -> str:
        """The location of the store, for messages; without credentials."""

    def read(self) -> bytes | None:
        """The content of the marker, at most MAX_MARKER_BYTES; None without one."""

    def create(self, data: bytes) -> None:
        """Create the marker durably and atomically; raises ArtifactExists if there is one."""

    def replace(self, data: bytes) -> None:
        """Write the marker durably and atomically, replacing any other."""


class FolderMarker:
    """The marker of a store in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / MARKER

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._root)

    def read(self) -> bytes | None:
        """The content of the marker, or None without one; raises ArtifactsUnavailable."""
        with _unavailable():
            try:
                with self._path.open("rb") as file:
                    return file.read(MAX_MARKER_BYTES)
            except FileNotFoundError:
                return None

    def create(self, data: bytes) -> None:
        """Create the marker by a hard link, which is atomic; raises ArtifactExists."""
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
        """Write the marker, replacing any other."""
        with _unavailable(), self._staged(data) as staged:
            staged.rename(self._path)
            sync_folder(self._root)

    def _create_in_place(self, data: bytes) -> None:
        """Create the marker on a file system without links: a crash may leave half of it."""
        try:
            with self._path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise ArtifactExists(MARKER) from None

    @contextmanager
    def _staged(self, data: bytes) -> Iterator[Path]:
        """A durable temporary file with the data; it remains if the process is killed."""
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
    """Turn errors of the file system, such as a full disk, into ArtifactsUnavailable."""
    try:
        yield
    except OSError as error:
        raise ArtifactsUnavailable(f"{MARKER}: {error}") from None
