"""Data set files in a bucket, with local copies of those that jobs on this machine train on."""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ridgeline.storage.errors import DamagedArtifact
from ridgeline.storage.files.bucket import Bucket, BucketFiles
from ridgeline.storage.files.datasets.local import LocalDatasetFiles
from ridgeline.storage.files.datasets.protocol import KEYS, HeldFile
from ridgeline.storage.files.protocol import StoredObject
from ridgeline.storage.records.datasets import DatasetRecord

_PREFIX = ".datasets/"
KEPT_S = 7 * 86_400.0
"""How long an unused copy is kept, in seconds."""
_CACHE = "cache"
_READ_ONLY = 0o444


class BucketDatasetFiles(BucketFiles):
    """DatasetFiles below a prefix of a bucket; `folder` belongs to this machine."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        super().__init__(bucket, KEYS, _PREFIX)
        self._folder = folder
        self._own = LocalDatasetFiles(folder)
        self._fetching = threading.Lock()

    def staging(self) -> Path:
        """Create and return the private folder on this machine for files to be stored."""
        return self._own.staging()

    def store(self, staged_file: Path, key: str) -> None:
        """Send the file to the bucket, atomically; raises DamagedArtifact.

        The store's per-request checksum verifies the transfer.
        """
        path = self._path(key)
        with staged_file.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._bucket.put(path, file, size)
        if self._bucket.size(path) != size:
            raise DamagedArtifact(key)
        staged_file.unlink()

    def fetch(self, record: DatasetRecord) -> HeldFile:
        """The copy on this machine, downloaded if there is none.

        Unused copies are deleted if the disk is full. Raises UnknownArtifact, DamagedArtifact, and
        any OSError such as ENOSPC.
        """
        path = self._folder / _CACHE / record.sha256
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._fetching:  # attempts that start together share a copy
            while True:
                held = _hold(path, record.bytes)
                if held is not None:
                    return held
                self._make_room(record.bytes)
                self._download(record, path)

    def files(self) -> Iterator[StoredObject]:
        """All stored files."""
        for stored in self._bucket.objects(_PREFIX.rstrip("/")):
            key = stored.key.removeprefix(_PREFIX)
            if KEYS.has(key):
                yield stored._replace(key=key)

    def clear_abandoned(self) -> None:
        """Delete the staged files of processes of this machine that have died."""
        self._own.clear_abandoned()

    def clear_staging(self, before: float) -> None:
        """Delete old staged files, incomplete downloads and unused copies."""
        self._own.clear_staging(before)
        for path in (self._folder / _CACHE).glob(".*"):
            if _used_at(path) < before:
                path.unlink(missing_ok=True)
        for path in self._copies():
            if _used_at(path) < time.time() - KEPT_S:
                _delete_unused(path)

    def _copies(self) -> list[Path]:
        return [path for path in (self._folder / _CACHE).glob("*") if path.name[0] != "."]

    def _download(self, record: DatasetRecord, path: Path) -> None:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = hashlib.sha256()
                received = self._bucket.copy(self._path(record.key), record.bytes, file, digest)
                file.flush()
                os.fsync(file.fileno())
            if received != record.bytes or digest.hexdigest() != record.sha256:
                raise DamagedArtifact(record.key)
            partial.chmod(_READ_ONLY)
            _rename(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Delete unused copies, the least recently used first, until `size` bytes are free."""
        for path in sorted(self._copies(), key=_used_at):
            if shutil.disk_usage(self._folder).free >= size:
                return
            _delete_unused(path)
        free = shutil.disk_usage(self._folder).free
        if free < size:
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {size} bytes, {free} free")


def _hold(path: Path, size: int) -> HeldFile | None:
    """Hold the copy, if there is one; its lock ends with the process, however that ends."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        whole = os.path.samestat(os.fstat(descriptor), path.stat())  # else it was just deleted
    except FileNotFoundError:
        whole = False
    if not whole or os.fstat(descriptor).st_size != size:
        os.close(descriptor)
        _delete_unused(path)
        return None
    os.utime(descriptor)
    return HeldFile(path, descriptor)


def _rename(copy: Path, path: Path) -> None:
    """Give the copy its name, unless another process was first: that copy may be in use."""
    try:
        os.link(copy, path)
    except FileExistsError:
        if _size(path) != copy.stat().st_size:
            copy.replace(path)


def _delete_unused(path: Path) -> None:
    """Delete a copy unless it is in use."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
