"""A file that is written and hashed at the same time, while the next bytes come."""

import asyncio
import ctypes
import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ridgeline.storage.files.digests import FileDigests
from service.datasets.space import keep_margin
from service.threads import ended, outcome

BATCH_BYTES = 2**19
"""What is handed over at once."""
AHEAD = 4
"""How many batches may wait to be written or hashed: this much memory a file takes."""
WRITE_BACK_BYTES = 8 * 2**20
"""After how many bytes the disk is told to begin: little is left for the sync at the end."""
_SYNC_FILE_RANGE_WRITE = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


class HashedFile:
    """An existing file that takes bytes. Two threads work on it, for hashing takes the longest.

    One that is not `hashed` comes faster still.
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
        self._waiting_bytes = 0
        self._pending: deque[asyncio.Future[None]] = deque()

    @property
    def sha256(self) -> str:
        """Of what was taken, once it is finished; of nothing where it is not hashed."""
        return self._digests.sha256

    @property
    def xxh3(self) -> str:
        """The quicker hash of the same bytes."""
        return self._digests.xxh3

    async def take(self, chunk: bytes) -> None:
        """Take bytes; returns once there is room for more. Raises OSError."""
        self.size += len(chunk)
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        if self._gathered_bytes >= BATCH_BYTES:
            self._hand_over()
            await self._wait_for_all_but(2 * AHEAD)

    async def finish(self) -> None:
        """Write and hash what is left; raises OSError."""
        self._hand_over()
        await self._wait_for_all_but(0)

    async def close(self) -> None:
        """Wait for the threads, which may be writing still, and close the file."""
        await ended(self._pending)
        self._writer.shutdown(wait=False)
        self._hasher.shutdown(wait=False)
        os.close(self._descriptor)

    def _hand_over(self) -> None:
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
        self._waiting_bytes += len(batch)
        if self._waiting_bytes >= WRITE_BACK_BYTES:
            _begin_write_back(self._descriptor)
            self._waiting_bytes = 0


def _begin_write_back(descriptor: int) -> None:
    """Have the disk begin with what is written, and do not wait; only Linux has a call for it."""
    if sys.platform == "linux" and hasattr(_LIBC, "sync_file_range"):
        whole = ctypes.c_int64(0)
        _LIBC.sync_file_range(descriptor, whole, whole, _SYNC_FILE_RANGE_WRITE)
