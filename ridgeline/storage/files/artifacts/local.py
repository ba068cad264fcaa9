"""An artifact store in a folder; files are published atomically, once."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from ridgeline.failpoints import failpoint
from ridgeline.storage.errors import (
    ArtifactExists,
    ArtifactsUnavailable,
    InvalidArtifactKey,
    InvalidStagedFile,
)
from ridgeline.storage.files.artifacts.protocol import KEYS, AttemptFiles, StoredFile
from ridgeline.storage.files.digests import file_digests
from ridgeline.storage.files.local import FolderFiles
from ridgeline.storage.files.marker import FolderMarker
from ridgeline.storage.files.staging import sync_folder

_STAGING = ".staging"
_CHECKPOINTS = ".checkpoints"
_CHECKPOINT = re.compile(r"(\d{6,})-(\d{9,})\.checkpoint")
_MAKE_TRIES = 20


def newest_epoch(files: Iterable[str]) -> int:
    """The epoch of the newest checkpoint among file names `TERM-EPOCH.checkpoint`; 0: none is."""
    matches = filter(None, map(_CHECKPOINT.fullmatch, files))
    return max(((int(match[1]), int(match[2])) for match in matches), default=(0, 0))[1]


class SharedCheckpoints:
    """A folder that the next attempt reads too."""

    shared = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self) -> None:
        """Do nothing: they are there."""

    def save(self) -> None:
        """Do nothing: they stay."""

    def saved_epoch(self) -> int:
        """The epoch of the newest checkpoint in the folder; 0: there is none."""
        return newest_epoch(path.name for path in self.folder.iterdir())


class LocalArtifacts(FolderFiles):
    """An ArtifactStore in a local folder, which is created if needed."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        super().__init__(root.resolve(), KEYS)
        self.marker = FolderMarker(self._root)

    def check(self) -> None:
        """Check that the folder exists; raises ArtifactsUnavailable."""
        if not self._root.is_dir():
            raise ArtifactsUnavailable(f"{self._root} is not a folder; is its file system mounted?")

    def staging(self, job_id: str, fence: int) -> Path:
        """Create and return the private folder of one attempt, on the store's file system.

        Raises InvalidArtifactKey for a job id that is not a valid file name.
        """
        folder = self._staging_path(job_id, fence)
        _make(folder, mode=0o700)
        return folder

    def checkpoints(self, job_id: str) -> Path:
        """Create and return the private folder for the checkpoints of a job.

        Raises InvalidArtifactKey for a job id that is not a valid file name.
        """
        folder = self._checkpoints_path(job_id)
        _make(folder, mode=0o700)
        return folder

    def attempt_checkpoints(self, job_id: str, fence: int) -> SharedCheckpoints:
        """The folder of the job's checkpoints, shared by all its attempts, each with a term."""
        del fence
        return SharedCheckpoints(self.checkpoints(job_id))

    def private_checkpoints(self, job_id: str, fence: int) -> Path:
        """Create and return a folder for checkpoints that is deleted with its attempt."""
        folder = self._checkpoints_path(job_id) / str(fence)
        _make(folder, mode=0o700)
        return folder

    def checkpointed(self) -> list[str]:
        """The ids of jobs that have a folder for checkpoints."""
        folder = self._root / _CHECKPOINTS
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def publish(self, staged_file: Path, key: str) -> StoredFile:
        """Make the file durable, hash it, and rename it into place.

        After a crash at any point the key has the whole file or none. Raises InvalidArtifactKey,
        InvalidStagedFile, ArtifactExists, and any OSError such as ENOSPC.
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
            # Another file may have been given this name after the hashed one was opened.
            if not os.path.samestat(os.fstat(file.fileno()), target.lstat()):
                target.unlink()
                raise InvalidStagedFile(staged_file)
        for folder in target.parents:
            sync_folder(folder)
            failpoint("publish.folder_synced")
            if folder == self._root:
                return stored
        raise InvalidArtifactKey(key)  # unreachable: _place() returns only paths below the root

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files, and folders that become empty; raises InvalidArtifactKey."""
        paths = [self._place(key) for key in keys]
        for path in paths:
            path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def clear_staging(self, job_id: str, fence: int) -> None:
        """Delete the staged files of an attempt, but not its published ones."""
        self._remove(self._staging_path(job_id, fence))
        private = self._checkpoints_path(job_id) / str(fence)
        if private.is_dir():  # else its parent is the folder shared by all attempts
            self._remove(private)

    def discard(self, job_id: str, fence: int) -> None:
        """Delete the staged and published files of an attempt that has lost its job."""
        self.clear_staging(job_id, fence)
        self._remove(self._place(f"{job_id}/{fence}"))

    def discard_before(self, job_id: str, fence: int) -> None:
        """Delete the staged and published files of attempts with a fence below `fence`.

        Raises InvalidArtifactKey for a job id that is not a valid file name.
        """
        for folder in self._folders(job_id):
            for attempt in list(folder.iterdir()) if folder.is_dir() else ():
                if attempt.name.isdecimal() and int(attempt.name) < fence:
                    self._remove(attempt)

    def discard_checkpoints(self, job_id: str) -> None:
        """Delete the checkpoints of a job; raises InvalidArtifactKey and OSError."""
        _delete(self._checkpoints_path(job_id))

    def delete_job(self, job_id: str) -> None:
        """Delete all files of a job; raises InvalidArtifactKey and OSError."""
        for folder in self._folders(job_id):
            if folder.is_dir():
                _delete(folder)
                failpoint("delete.folder_deleted")

    def attempts(self) -> Iterator[AttemptFiles]:
        """All attempts that have a folder here."""
        for job_id, fence in sorted(self._attempts()):
            published, *private = (folder / str(fence) for folder in self._folders(job_id))
            keys = tuple(str(path.relative_to(self._root)) for path in _files(published))
            folders = (published, *private)
            yield AttemptFiles(job_id, fence, keys, max(map(_modified_at, folders)))

    def _attempts(self) -> set[tuple[str, int]]:
        """Job id and fence of each attempt that has a folder."""
        parents = (self._root, self._root / _STAGING, self._root / _CHECKPOINTS)
        return {
            (folder.name, int(name))
            for parent in parents
            for folder in parent.glob("*")
            for name in _names(folder)
            if name.isdecimal() and KEYS.has(f"{folder.name}/{name}")
        }

    def _folders(self, job_id: str) -> tuple[Path, Path, Path]:
        """The folders of a job for published files, staged files and private checkpoints."""
        published = self._place(f"{job_id}/0").parent
        return published, self._staging_path(job_id, 0).parent, self._checkpoints_path(job_id)

    def _checkpoints_path(self, job_id: str) -> Path:
        return self._root / _CHECKPOINTS / self._place(f"{job_id}/0").parent.relative_to(self._root)

    def _staging_path(self, job_id: str, fence: int) -> Path:
        return self._root / _STAGING / self._place(f"{job_id}/{fence}").relative_to(self._root)

    def _place(self, key: str) -> Path:
        """Where the file of `key` is; raises InvalidArtifactKey for a path outside the root."""
        path = super()._place(key)
        # For symbolic links in the folder; Path.resolve() would raise RuntimeError for a loop.
        if not Path(os.path.realpath(path)).is_relative_to(self._root):
            raise InvalidArtifactKey(key)
        return path

    @contextmanager
    def staged(self, staged_file: Path) -> Iterator[BufferedReader]:
        """Open the staged file and flush it to the disk; the trainer that wrote it is untrusted.

        Raises InvalidStagedFile unless it is a regular file below staging(), and OSError.
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
        """Remove empty folders upwards, except those shared by all jobs."""
        with suppress(OSError):  # not empty, or removed by another attempt of the job
            while folder not in (self._root, self._root / _STAGING, self._root / _CHECKPOINTS):
                folder.rmdir()
                folder = folder.parent


def _opened(staged_file: Path) -> BufferedReader:
    """Open the file without following links; a pipe does not block."""
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
    """The files in a folder, sorted."""
    return (path for path in sorted(folder.glob("*")) if path.is_file())


def _names(folder: Path) -> list[str]:
    """The names in a folder; empty if it is a file or was deleted in the meantime."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _modified_at(folder: Path) -> float:
    """When the folder was last written to; 0 if it does not exist."""
    newest = 0.0
    for parent, _, files in os.walk(folder):  # which skips what is deleted meanwhile
        for path in (Path(parent), *(Path(parent, name) for name in files)):
            with suppress(FileNotFoundError):
                newest = max(newest, path.lstat().st_mtime)
    return newest


def _delete(folder: Path) -> None:
    """Delete a folder and its contents, which other processes may be deleting too."""
    while folder.is_dir():
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def _make(folder: Path, mode: int = 0o777) -> None:
    """Create a folder whose parent another attempt's clean-up may be removing."""
    for _ in range(_MAKE_TRIES):
        # FileExistsError is also raised if the folder is removed while mkdir checks it.
        with suppress(FileNotFoundError, FileExistsError):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            return
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
