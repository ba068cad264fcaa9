"""An artifact store in a folder. A file is published whole, once, or not at all."""

import errno
import os
import shutil
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO
from pathlib import Path

from ridgeline.failpoints import failpoint
from ridgeline.storage.errors import (
    ArtifactExists,
    ArtifactsUnavailable,
    InvalidArtifactKey,
    InvalidStagedFile,
    UnknownArtifact,
)
from ridgeline.storage.files.artifacts.protocol import (
    AttemptFiles,
    StoredFile,
    is_key,
)
from ridgeline.storage.files.digests import file_digests
from ridgeline.storage.files.marker import FolderMarker
from ridgeline.storage.files.staging import sync_folder

_STAGING = ".staging"
_CHECKPOINTS = ".checkpoints"
_MAKE_TRIES = 20
CHUNK_BYTES = 2**19


class SharedCheckpoints:
    """A folder where the next attempt will look by itself."""

    shared = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self) -> None:
        """Nothing: they are there."""

    def save(self) -> None:
        """Nothing: they stay."""


class LocalArtifacts:
    """An ArtifactStore in a local folder, which is created if needed."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()
        self.marker = FolderMarker(self._root)

    def check(self) -> None:
        """See that the folder is there; raises ArtifactsUnavailable."""
        if not self._root.is_dir():
            raise ArtifactsUnavailable(f"{self._root} is no folder; is its file system mounted?")

    def staging(self, job_id: str, fence: int) -> Path:
        """Create and return the private folder of one attempt, on the store's file system.

        Raises InvalidArtifactKey for a job id that is no file name.
        """
        folder = self._staging_path(job_id, fence)
        _make(folder, mode=0o700)
        return folder

    def checkpoints(self, job_id: str) -> Path:
        """Create and return the private folder in which the attempts of a job keep checkpoints.

        Raises InvalidArtifactKey for a job id that is no file name.
        """
        folder = self._checkpoints_path(job_id)
        _make(folder, mode=0o700)
        return folder

    def attempt_checkpoints(self, job_id: str, fence: int) -> SharedCheckpoints:
        """The folder of the job's checkpoints: all its attempts share it, each with a term."""
        del fence
        return SharedCheckpoints(self.checkpoints(job_id))

    def private_checkpoints(self, job_id: str, fence: int) -> Path:
        """Create and return a folder for checkpoints that goes with its attempt."""
        folder = self._checkpoints_path(job_id) / str(fence)
        _make(folder, mode=0o700)
        return folder

    def checkpointed(self) -> list[str]:
        """The jobs that have a folder for checkpoints."""
        folder = self._root / _CHECKPOINTS
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def publish(self, staged_file: Path, key: str) -> StoredFile:
        """Make the file durable, hash it, and rename it into place.

        After a crash at any point the key holds the whole file or none. Raises InvalidArtifactKey,
        InvalidStagedFile, ArtifactExists, and OSError as it comes (ENOSPC, for one).
        """
        target = self._place(key)
        with self.staged(staged_file) as file:
            failpoint("publish.synced")
            digests = file_digests(file)
            failpoint("publish.hashed")
            stored = StoredFile(key, file.tell(), digests.sha256, digests.xxh3)
            _make(target.parent)
            if target.exists():
                raise ArtifactExists(key)
            failpoint("publish.before_rename")
            staged_file.rename(target)
            failpoint("publish.renamed")
            # Whatever else took the file's name since it was opened is not what was hashed.
            if not os.path.samestat(os.fstat(file.fileno()), target.lstat()):
                target.unlink()
                raise InvalidStagedFile(staged_file)
        for folder in target.parents:
            sync_folder(folder)
            failpoint("publish.folder_synced")
            if folder == self._root:
                return stored
        raise InvalidArtifactKey(key)  # unreachable: _place() answers only paths below the root

    def path(self, key: str) -> Path:
        """The path of a published file; raises InvalidArtifactKey and UnknownArtifact."""
        path = self._place(key)
        if not path.is_file():
            raise UnknownArtifact(key)
        return path

    def size(self, key: str) -> int:
        """The bytes of a published file; raises InvalidArtifactKey and UnknownArtifact."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:  # deleted since path() looked
            raise UnknownArtifact(key) from None

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, a chunk at a time; raises InvalidArtifactKey, UnknownArtifact."""
        yield from read_file(self.open(key), start, end)

    def signed_url(self, key: str, seconds: float) -> str | None:
        """None: a folder has no address."""
        del key, seconds
        return None

    def open(self, key: str) -> FileIO:
        """Open a published file for reading; raises InvalidArtifactKey and UnknownArtifact."""
        try:
            return self.path(key).open("rb", buffering=0)
        except FileNotFoundError:  # deleted since path() looked
            raise UnknownArtifact(key) from None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files and the folders that become empty; raises InvalidArtifactKey."""
        for path in [self._place(key) for key in keys]:
            path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def clear_staging(self, job_id: str, fence: int) -> None:
        """Delete what an attempt staged, and keep what it published."""
        self._remove(self._staging_path(job_id, fence))
        private = self._checkpoints_path(job_id) / str(fence)
        if private.is_dir():  # else its parent is the folder that all attempts share
            self._remove(private)

    def discard(self, job_id: str, fence: int) -> None:
        """Delete what an attempt staged and what it published: for one that lost its job."""
        self.clear_staging(job_id, fence)
        self._remove(self._place(f"{job_id}/{fence}"))

    def discard_before(self, job_id: str, fence: int) -> None:
        """Delete what earlier attempts than `fence` staged and published: their workers died.

        Raises InvalidArtifactKey for a job id that is no file name.
        """
        for folder in self._folders(job_id):
            for attempt in list(folder.iterdir()) if folder.is_dir() else ():
                if attempt.name.isdecimal() and int(attempt.name) < fence:
                    self._remove(attempt)

    def discard_checkpoints(self, job_id: str) -> None:
        """Delete a job's checkpoints; raises InvalidArtifactKey and OSError."""
        _delete(self._checkpoints_path(job_id))

    def delete_job(self, job_id: str) -> None:
        """Delete everything of a job; raises InvalidArtifactKey and OSError."""
        for folder in self._folders(job_id):
            if folder.is_dir():
                _delete(folder)
                failpoint("delete.folder_deleted")

    def attempts(self) -> Iterator[AttemptFiles]:
        """Every attempt that has a folder here."""
        for job_id, fence in sorted(self._attempts()):
            published, *private = (folder / str(fence) for folder in self._folders(job_id))
            keys = tuple(str(path.relative_to(self._root)) for path in _files(published))
            folders = (published, *private)
            yield AttemptFiles(job_id, fence, keys, max(map(_modified_at, folders)))

    def _attempts(self) -> set[tuple[str, int]]:
        """Job and fence of every attempt's folder."""
        parents = (self._root, self._root / _STAGING, self._root / _CHECKPOINTS)
        return {
            (folder.name, int(name))
            for parent in parents
            for folder in parent.glob("*")
            for name in _names(folder)
            if name.isdecimal() and is_key(f"{folder.name}/{name}")
        }

    def _folders(self, job_id: str) -> tuple[Path, Path, Path]:
        """Where the attempts of a job publish, stage, and keep checkpoints of their own."""
        published = self._place(f"{job_id}/0").parent
        return published, self._staging_path(job_id, 0).parent, self._checkpoints_path(job_id)

    def _checkpoints_path(self, job_id: str) -> Path:
        return self._root / _CHECKPOINTS / self._place(f"{job_id}/0").parent.relative_to(self._root)

    def _staging_path(self, job_id: str, fence: int) -> Path:
        return self._root / _STAGING / self._place(f"{job_id}/{fence}").relative_to(self._root)

    def _place(self, key: str) -> Path:
        """Where `key` lies; raises InvalidArtifactKey for anything that is not below the root."""
        path = self._root / key if is_key(key) else None
        # The second check is for a symbolic link that somebody put into the folder. Path.resolve()
        # would raise RuntimeError for one that leads to itself.
        if path is None or not Path(os.path.realpath(path)).is_relative_to(self._root):
            raise InvalidArtifactKey(key)
        return path

    @contextmanager
    def staged(self, staged_file: Path) -> Iterator[BufferedReader]:
        """The staged file, opened and flushed to the disk; its maker may be hostile code.

        Raises InvalidStagedFile for what is no plain file below staging(), and OSError.
        """
        folder = staged_file.parent.resolve()
        if not folder.is_relative_to(self._root / _STAGING):
            raise InvalidStagedFile(staged_file)
        with _opened(staged_file) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidStagedFile(staged_file)
            os.fsync(file.fileno())
            yield file

    def _remove(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._remove_empty(folder.parent)

    def _remove_empty(self, folder: Path) -> None:
        """Remove empty folders upwards, less those that all jobs share."""
        with suppress(OSError):  # not empty, or another attempt of the job was quicker
            while folder not in (self._root, self._root / _STAGING, self._root / _CHECKPOINTS):
                folder.rmdir()
                folder = folder.parent


def read_file(file: FileIO, start: int, end: int) -> Generator[bytes, None, None]:
    """The bytes of a range of an open file, CHUNK_BYTES at a time; the file is closed then."""
    with file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
            start += len(chunk)
            yield chunk


def _opened(staged_file: Path) -> BufferedReader:
    """The file itself, never what a link names; a pipe does not hold the caller up."""
    try:
        descriptor = os.open(staged_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
            raise InvalidStagedFile(staged_file) from None
        raise
    try:
        return os.fdopen(descriptor, "rb")
    except IsADirectoryError:
        os.close(descriptor)
        raise InvalidStagedFile(staged_file) from None


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder of published ones."""
    return (path for path in sorted(folder.glob("*")) if path.is_file())


def _names(folder: Path) -> list[str]:
    """The names in a folder; none if it is a file, or was deleted in the meantime."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _modified_at(folder: Path) -> float:
    """When something was last written in the folder; 0 without it."""
    newest = 0.0
    for parent, _, files in os.walk(folder):  # which passes over what is deleted meanwhile
        for path in (Path(parent), *(Path(parent, name) for name in files)):
            with suppress(FileNotFoundError):
                newest = max(newest, path.lstat().st_mtime)
    return newest


def _delete(folder: Path) -> None:
    """Delete a folder with all in it, which others may be deleting too."""
    while folder.is_dir():
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def _make(folder: Path, mode: int = 0o777) -> None:
    """Create a folder, whose parent another attempt's clean-up may remove at the same moment."""
    for _ in range(_MAKE_TRIES):
        # "Exists" is said too of a folder that is gone when mkdir looks whether it is one.
        with suppress(FileNotFoundError, FileExistsError):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            return
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
