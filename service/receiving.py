"""Receives files: a request's bytes go to the disk as they come, and are hashed on the way."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from fastapi import Request
from starlette.requests import ClientDisconnect

from ridgeline.contract.problems import ProblemCode
from ridgeline.failpoints import failpoint
from service.pace import Pace
from service.problems import RETRY_AFTER_S, ApiProblem
from service.space import check_space

BATCH_BYTES = 2**20
"""What is handed to the disk at once; a request holds about twice as much."""
AT_ONCE = 32
"""Bodies that are received at once: each takes memory while it comes."""
_THREADS = 4


class Received(NamedTuple):
    """A file that has come, complete."""

    path: Path
    bytes: int
    sha256: str


class Receiver:
    """Writes the bodies of requests into files, with threads of its own."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(_THREADS, "receiver")
        self._receiving = 0

    def close(self) -> None:
        """Let what is being written be written; to be called when no request is left."""
        self._threads.shutdown()

    @asynccontextmanager
    async def received(
        self, request: Request, folder: Path, max_bytes: int
    ) -> AsyncIterator[Received]:
        """The body in a file of its own in `folder`, which is gone after the block.

        Whoever wants to keep it moves it. Raises ApiProblem: body-too-large, insufficient-storage,
        unavailable, invalid-request (too slow, broken off).
        """
        check_space(folder, _declared(request, max_bytes))
        with staged(folder) as path:
            with self._turn():
                found = await self._receive(request, path, max_bytes)
            failpoint("dataset.received")
            yield found

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._receiving >= AT_ONCE:
            detail = f"{AT_ONCE} files are coming in already; send this one again in a moment."
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            raise ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers)
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def _receive(self, request: Request, path: Path, max_bytes: int) -> Received:
        file = _HashedFile(path, self._threads)
        try:
            async with Pace(self._timeout_s) as pace:
                async for chunk in request.stream():
                    if file.size + len(chunk) > max_bytes:
                        raise too_large(max_bytes)
                    pace.came(len(chunk))
                    with pace.ours():  # what the disk takes is no fault of the client's
                        await file.take(chunk)
            await file.finish()
        except ClientDisconnect:
            detail = "The body broke off; nothing of it was stored."
            status = HTTPStatus.BAD_REQUEST  # nobody reads this, but it is no fault of ours
            raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, status=status) from None
        except TimeoutError:
            detail = (
                f"Nothing came for {self._timeout_s:g} s, or hardly anything; send it in parts."
            )
            status = HTTPStatus.REQUEST_TIMEOUT
            raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, status=status) from None
        finally:
            await file.close()
        return Received(path, file.size, file.sha256)


class _HashedFile:
    """A file that is written and hashed in threads, a batch after the other, both at once."""

    def __init__(self, path: Path, threads: Executor) -> None:
        self.size = 0
        self._digest = hashlib.sha256()
        self._descriptor = os.open(path, os.O_WRONLY)
        self._threads = threads
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._pending: list[asyncio.Future[None]] = []

    @property
    def sha256(self) -> str:
        """Of what was taken, once it is finished."""
        return self._digest.hexdigest()

    async def take(self, chunk: bytes) -> None:
        """Take bytes; returns once there is room for more. Raises OSError."""
        self.size += len(chunk)
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        if self._gathered_bytes >= BATCH_BYTES:
            await self._hand_over()

    async def finish(self) -> None:
        """Write what is left; raises OSError."""
        await self._hand_over()
        await self._written()

    async def close(self) -> None:
        """Wait for the threads, which may be writing still, and close the file."""
        if self._pending:
            await asyncio.wait(self._pending)
        os.close(self._descriptor)

    async def _hand_over(self) -> None:
        await self._written()
        batch = b"".join(self._gathered)
        self._gathered, self._gathered_bytes = [], 0
        self._pending = [
            self._in_thread(_write, self._descriptor, batch),
            self._in_thread(self._digest.update, batch),
        ]

    async def _written(self) -> None:
        for each in self._pending:
            await each
        self._pending = []

    def _in_thread(self, call: Callable[..., None], *arguments: object) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty file of its own in `folder`; gone after the block, unless it was moved."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def too_large(max_bytes: int) -> ApiProblem:
    """Make the answer to a body of more than `max_bytes`."""
    detail = f"A body may hold at most {max_bytes} bytes here."
    return ApiProblem(ProblemCode.BODY_TOO_LARGE, detail)


def _declared(request: Request, max_bytes: int) -> int:
    """The bytes that the client announces, 0 where it does not; raises ApiProblem."""
    declared = request.headers.get("content-length", "")
    if not (declared.isascii() and declared.isdigit()):
        return 0
    size = int(declared[:20])
    if size > max_bytes:
        raise too_large(max_bytes)
    return size


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
