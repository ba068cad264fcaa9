"""Long polls and streams: one watcher per process looks at all the jobs that anybody waits for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from ridgeline.storage import DatabaseUnavailable

ReadVersions = Callable[[Collection[str]], Awaitable[dict[str, int]]]

LONGEST_INTERVAL_S = 0.1
"""How often jobs are looked at that have not changed for a while."""
_CALM = 20
"""A change may be noticed late by a part of the time that nothing has happened: one of so many."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Waiter:
    job_id: str
    version: int
    woken: asyncio.Event


class Watcher:
    """Wakes requests when their job changes.

    It asks for the versions of the waited-for jobs every `interval_s` seconds, in one query however
    many wait, less often while none of them changes, and not at all while nobody waits. Use it in
    one event loop.
    """

    def __init__(self, read_versions: ReadVersions, interval_s: float) -> None:
        self._read_versions = read_versions
        self._interval_s = interval_s
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._versions: dict[str, int] = {}
        self._changed_at = 0.0
        self._hurry = asyncio.Event()
        self._away = False
        self._closed = False

    async def changed(self, job_id: str, version: int, timeout_s: float) -> bool:
        """Wait until the job is not at `version` any more; False when the time is over."""
        if self._closed or timeout_s <= 0:
            return False
        waiter = _Waiter(job_id, version, asyncio.Event())
        self._waiters.add(waiter)
        if self._versions.get(job_id) != version:
            self._look_soon()
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.woken.wait()
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return not self._closed

    def close(self) -> None:
        """Send everybody home: the server stops."""
        self._closed = True
        self._hurry.set()
        for waiter in self._waiters:
            waiter.woken.set()

    @property
    def closed(self) -> bool:
        """Whether the server stops."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiters)

    async def _watch(self) -> None:
        try:
            while self._waiters and not self._closed:
                await self._wake_changed()
                await self._pause()
        finally:
            self._task = None

    async def _wake_changed(self) -> None:
        try:
            versions = await self._read_versions({waiter.job_id for waiter in self._waiters})
        except DatabaseUnavailable as error:
            if not self._away:
                logger.warning("waiting requests are not served: %s", error)
            self._away = True
            return
        self._away = False
        self._versions = versions
        for waiter in self._waiters:
            if versions.get(waiter.job_id) != waiter.version:
                self._look_soon()
                waiter.woken.set()

    async def _pause(self) -> None:
        await asyncio.sleep(self._interval_s)
        calm_s = asyncio.get_running_loop().time() - self._changed_at
        more_s = min(calm_s / _CALM, LONGEST_INTERVAL_S) - self._interval_s
        if more_s > 0:
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(more_s):
                    await self._hurry.wait()

    def _look_soon(self) -> None:
        """Look as often as possible for a while: something happens."""
        self._changed_at = asyncio.get_running_loop().time()
        self._hurry.set()
