"""Receives files: a request's bytes go to the disk as they come, and are hashed on the way.

How slowly a client may send.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from fastapi import Request
from starlette.requests import ClientDisconnect

from ridgeline.api.problems import ProblemCode
from ridgeline.failpoints import failpoint
from ridgeline.storage.files.datasets import staged
from service.datasets.hashed_file import HashedFile
from service.datasets.space import check_space
from service.http.problems import RETRY_AFTER_S, ApiProblem

AT_ONCE = 32
"""Bodies that are received at once: each takes memory while it comes."""


SLOWEST_BYTES_PER_S = 1024
"""A client that sends less on average, after the time for the first bytes, is cut off."""


class Received(NamedTuple):
    """A file that has come, complete."""

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
        """The body in a file of its own in `folder`, which is gone after the block.

        Its hashes are of use where it is `hashed`. Whoever wants to keep it moves it. Raises
        ApiProblem: body-too-large, insufficient-storage, unavailable, invalid-request (too slow,
        broken off).
        """
        check_space(folder, _declared(request, max_bytes))
        with staged(folder) as path:
            with self._turn():
                found = await self._receive(request, HashedFile(path, hashed=hashed), max_bytes)
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

    async def _receive(self, request: Request, file: HashedFile, max_bytes: int) -> Received:
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
        return Received(file.path, file.size, file.sha256, file.xxh3)


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


class Pace:
    """Ends its block with TimeoutError when nothing comes for `timeout_s`, or hardly anything.

    A timer looks at it now and then: to set one for each of thousands of chunks takes its time.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._limit = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._began = self._last = self._loop.time()
        self._bytes = 0
        self._ours = False

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._limit.__aenter__()
        self._timer = self._loop.call_at(self._due(), self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; raises TimeoutError if it was too slow."""
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def came(self, size: int) -> None:
        """Note that something came."""
        self._bytes += size

    @contextmanager
    def ours(self) -> Iterator[None]:
        """In this block the client waits for us."""
        self._ours = True
        try:
            yield
        finally:
            self._ours = False
            self._last = self._loop.time()

    def _due(self) -> float:
        slowest = self._began + self._bytes / SLOWEST_BYTES_PER_S
        return min(self._last, slowest) + self._timeout_s

    def _look(self) -> None:
        now = self._loop.time()
        if self._ours:
            self._timer = self._loop.call_at(now + self._timeout_s, self._look)
        elif now >= self._due():
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_at(self._due(), self._look)
