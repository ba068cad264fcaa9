"""Receives files: writes a request's bytes to disk as they arrive, and hashes them on the way."""

import asyncio
import ctypes
import errno
import os
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from fastapi import Request
from starlette.requests import ClientDisconnect

from ridgeline.failpoints import failpoint
from ridgeline.storage.files.datasets import staged
from ridgeline.storage.files.digests import FileDigests
from service.errors import (
    DiskFull,
    FileTooLarge,
    TooManyTransfers,
    TransferAborted,
    TransferTooSlow,
)
from service.threads import ended, outcome

AT_ONCE = 32
"""Bodies that are received at the same time: each takes memory meanwhile."""
SLOWEST_BYTES_PER_S = 1024
"""A client that sends less on average, after the timeout for its first bytes, is cut off."""
MARGIN_BYTES = 64 * 2**20
"""Free space that files leave on the disk: the database may be on the same one."""
BATCH_BYTES = 2**19
"""How much is written and hashed at a time."""
AHEAD = 4
"""How many batches may wait to be written or hashed: the memory that a file takes."""
WRITE_BACK_BYTES = 8 * 2**20
"""After how many bytes the disk is told to start writing, which shortens the final sync."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYNC_FILE_RANGE_WRITE = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


class Received(NamedTuple):
    """A complete file."""

    path: Path
    bytes: int
    sha256: str
    xxh3: str


class Receiver:
    """Writes the bodies of requests into files."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._receiving = 0

    @asynccontextmanager
    async def received(
        self, request: Request, folder: Path, max_bytes: int, *, hashed: bool = True
    ) -> AsyncIterator[Received]:
        """The body as a file in `folder`, deleted after the block unless it was moved.

        Its hashes are valid only if it is `hashed`. Raises FileTooLarge, DiskFull,
        TooManyTransfers, TransferTooSlow and TransferAborted.
        """
        check_space(folder, _announced(request, max_bytes))
        with staged(folder) as path:
            with self._counted():
                file = HashedFile(path, hashed=hashed)
                received = await self._receive(request, file, max_bytes)
            failpoint("dataset.received")
            yield received

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._receiving >= AT_ONCE:
            raise TooManyTransfers(AT_ONCE)
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def _receive(self, request: Request, file: "HashedFile", max_bytes: int) -> Received:
        try:
            async with SlowSenderGuard(self._timeout_s) as guard:
                async for chunk in request.stream():
                    if file.size + len(chunk) > max_bytes:
                        raise FileTooLarge(max_bytes)
                    guard.received(len(chunk))
                    with guard.paused():  # a slow disk is not the client's fault
                        await file.write(chunk)
            await file.finish()
        except ClientDisconnect:
            raise TransferAborted from None
        except TimeoutError:
            raise TransferTooSlow(self._timeout_s) from None
        finally:
            await file.close()
        return Received(file.path, file.size, file.sha256, file.xxh3)


def _announced(request: Request, max_bytes: int) -> int:
    """The Content-Length, 0 without one; raises FileTooLarge."""
    header = request.headers.get("content-length", "")
    if not (header.isascii() and header.isdigit()):
        return 0
    size = int(header[:20])
    if size > max_bytes:
        raise FileTooLarge(max_bytes)
    return size


class SlowSenderGuard:
    """Ends its block with TimeoutError if nothing, or hardly anything, arrives for `timeout_s`.

    One timer checks now and then: setting one for each of thousands of chunks is slow.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._limit = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._began = self._last = self._loop.time()
        self._bytes = 0
        self._paused = False

    async def __aenter__(self) -> Self:
        """Start the timer."""
        await self._limit.__aenter__()
        self._timer = self._loop.call_at(self._due(), self._check)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the timer; raises TimeoutError if the sender was too slow."""
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def received(self, size: int) -> None:
        """Count received bytes."""
        self._bytes += size

    @contextmanager
    def paused(self) -> Iterator[None]:
        """In this block the client waits for the service."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._last = self._loop.time()

    def _due(self) -> float:
        slowest = self._began + self._bytes / SLOWEST_BYTES_PER_S
        return min(self._last, slowest) + self._timeout_s

    def _check(self) -> None:
        now = self._loop.time()
        if self._paused:
            self._timer = self._loop.call_at(now + self._timeout_s, self._check)
        elif now >= self._due():
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_at(self._due(), self._check)


class HashedFile:
    """An existing file that is written and hashed in two threads; hashing is the slower part.

    Without `hashed` it is written only, which is faster.
    """

    def __init__(self, path: Path, *, hashed: bool = True) -> None:
        self.path = path
        self.size = 0
        self._digests = FileDigests()
        self._hashed = hashed
        self._descriptor = os.open(path, os.O_WRONLY)
        self._writer = ThreadPoolExecutor(1, "writer of files")
        self._hasher = ThreadPoolExecutor(1, "hasher of files")
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._unwritten_bytes = 0
        self._pending: deque[asyncio.Future[None]] = deque()

    @property
    def sha256(self) -> str:
        """Of all bytes once the file is finished; of no bytes where it is not hashed."""
        return self._digests.sha256

    @property
    def xxh3(self) -> str:
        """The faster hash of the same bytes."""
        return self._digests.xxh3

    async def write(self, chunk: bytes) -> None:
        """Append bytes; returns once there is room for more. Raises OSError."""
        self.size += len(chunk)
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        if self._gathered_bytes >= BATCH_BYTES:
            self._submit()
            await self._wait_for_all_but(2 * AHEAD)

    async def finish(self) -> None:
        """Write and hash the rest; raises OSError."""
        self._submit()
        await self._wait_for_all_but(0)

    async def close(self) -> None:
        """Wait for the threads, which may still be writing, and close the file."""
        await ended(self._pending)
        self._writer.shutdown(wait=False)
        self._hasher.shutdown(wait=False)
        os.close(self._descriptor)

    def _submit(self) -> None:
        loop = asyncio.get_running_loop()
        batch = b"".join(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        self._pending.append(loop.run_in_executor(self._writer, self._write, batch))
        if self._hashed:
            self._pending.append(loop.run_in_executor(self._hasher, self._digests.update, batch))

    async def _wait_for_all_but(self, count: int) -> None:
        while len(self._pending) > count:
            await outcome(self._pending[0])
            del self._pending[0]

    def _write(self, batch: bytes) -> None:
        keep_margin(self.path.parent)
        left = memoryview(batch)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._unwritten_bytes += len(batch)
        if self._unwritten_bytes >= WRITE_BACK_BYTES:
            _start_write_back(self._descriptor)
            self._unwritten_bytes = 0


def _start_write_back(descriptor: int) -> None:
    """Have the disk start writing, without waiting for it; only Linux has a call for this."""
    if sys.platform == "linux" and hasattr(_LIBC, "sync_file_range"):
        whole = ctypes.c_int64(0)
        _LIBC.sync_file_range(descriptor, whole, whole, _SYNC_FILE_RANGE_WRITE)


def check_space(folder: Path, size: int) -> None:
    """Raise DiskFull where `size` bytes would fill the folder's disk."""
    if shutil.disk_usage(folder).free < size + MARGIN_BYTES:
        raise DiskFull


def keep_margin(folder: Path) -> None:
    """Raise OSError (ENOSPC) where no more than the margin is left on the folder's disk.

    check_space() alone is not enough: files arrive in parallel, some with an unknown size.
    """
    if shutil.disk_usage(folder).free < MARGIN_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def disk_full_raised() -> Iterator[None]:
    """Raise the OSError of a full disk as DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull from error
        raise
