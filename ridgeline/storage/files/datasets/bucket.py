"""Data set files in a bucket, with copies of those that jobs here train on."""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ridgeline.storage.errors import DamagedArtifact
from ridgeline.storage.files.bucket import Bucket
from ridgeline.storage.files.datasets.local import LocalDatasetFiles
from ridgeline.storage.files.datasets.protocol import HeldFile, StoredBytes, checked_key, is_key
from ridgeline.storage.records.datasets import DatasetRecord

ROOT = ".datasets"
KEPT_S = 7 * 86_400.0
"""How long a copy stays that no job here has used."""
_CACHE = "cache"
_READ_ONLY = 0o444


class BucketDatasetFiles:
    """DatasetFiles below a prefix of a bucket; `folder` is this machine's own."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self._bucket = bucket
        self._folder = folder
        self._own = LocalDatasetFiles(folder)
        self._fetching = threading.Lock()

    def staging(self) -> Path:
        """Create and return the private folder for files on their way in, on this machine."""
        return self._own.staging()

    def store(self, staged_file: Path, key: str) -> None:
        """Upload the file; it appears whole or not at all. Raises DamagedArtifact.

        That it arrived whole the store's own checksum of each request says.
        """
        path = f"{ROOT}/{checked_key(key)}"
        with staged_file.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._bucket.put(path, file, size)
        if self._bucket.size(path) != size:
            raise DamagedArtifact(key)
        staged_file.unlink()

    def size(self, key: str) -> int:
        """The bytes of a file; raises UnknownArtifact."""
        return self._bucket.size(f"{ROOT}/{checked_key(key)}")

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, 4 MiB at a time; raises UnknownArtifact."""
        return self._bucket.read(f"{ROOT}/{checked_key(key)}", start, end)

    def signed_url(self, key: str, seconds: float) -> str | None:
        """An address that gives the file to whoever has it, for a time."""
        return self._bucket.signed_url(f"{ROOT}/{checked_key(key)}", seconds)

    def fetch(self, record: DatasetRecord) -> HeldFile:
        """The copy on this machine, which is made now unless it is there.

        Copies that nobody holds make room for it. Raises UnknownArtifact, DamagedArtifact, and
        OSError as it comes (ENOSPC, for one).
        """
        path = self._folder / _CACHE / record.sha256
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._fetching:  # attempts that begin together share a copy
            while True:
                held = _hold(path, record.bytes)
                if held is not None:
                    return held
                self._make_room(record.bytes)
                self._download(record, path)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; those that are gone already are passed over."""
        self._bucket.delete([f"{ROOT}/{checked_key(key)}" for key in keys])

    def files(self) -> Iterator[StoredBytes]:
        """Every file that is stored."""
        for each in self._bucket.objects(ROOT):
            key = each.path.removeprefix(f"{ROOT}/")
            if is_key(key):
                yield StoredBytes(key, each.modified_at)

    def clear_abandoned(self) -> None:
        """Delete what was staged by processes of this machine that have died."""
        self._own.clear_abandoned()

    def clear_staging(self, before: float) -> None:
        """Delete what was staged here, or half fetched, and copies that nobody uses any more."""
        self._own.clear_staging(before)
        for path in (self._folder / _CACHE).glob(".*"):
            if _used_at(path) < before:
                path.unlink(missing_ok=True)
        for path in self._copies():
            if _used_at(path) < time.time() - KEPT_S:
                _drop(path)

    def _copies(self) -> list[Path]:
        return [path for path in (self._folder / _CACHE).glob("*") if path.name[0] != "."]

    def _download(self, record: DatasetRecord, path: Path) -> None:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = hashlib.sha256()
                source = f"{ROOT}/{checked_key(record.key)}"
                received = self._bucket.copy(source, record.bytes, file, digest)
                file.flush()
                os.fsync(file.fileno())
            if received != record.bytes or digest.hexdigest() != record.sha256:
                raise DamagedArtifact(record.key)
            partial.chmod(_READ_ONLY)
            _place(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Delete copies that nobody holds, the longest unused first, as many as it takes."""
        for path in sorted(self._copies(), key=_used_at):
            if shutil.disk_usage(self._folder).free >= size:
                return
            _drop(path)
        free = shutil.disk_usage(self._folder).free
        if free < size:
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {size} bytes, {free} free")


def _hold(path: Path, size: int) -> HeldFile | None:
    """Hold the copy, if it is there; its lock ends with the process, however that ends."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        whole = os.path.samestat(os.fstat(descriptor), path.stat())  # else it was just dropped
    except FileNotFoundError:
        whole = False
    if not whole or os.fstat(descriptor).st_size != size:
        os.close(descriptor)
        _drop(path)
        return None
    os.utime(descriptor)
    return HeldFile(path, descriptor)


def _place(copy: Path, path: Path) -> None:
    """Give the copy its name, unless another process was first: somebody may hold that one."""
    try:
        os.link(copy, path)
    except FileExistsError:
        if _size(path) != copy.stat().st_size:
            copy.replace(path)


def _drop(path: Path) -> None:
    """Delete a copy, unless somebody holds it."""
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
