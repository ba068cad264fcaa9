"""How slowly a client may send."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

SLOWEST_BYTES_PER_S = 1024
"""A client that sends less on average, after the time for the first bytes, is cut off."""


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
