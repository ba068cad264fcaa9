"""Waiting for changes of jobs: a watcher wakes long polls and streams, a feed formats events."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from ridgeline.storage import DatabaseUnavailable, EventRecord, EventRecords
from service.errors import TooManyStreams
from service.http.representations import event_json

ReadVersions = Callable[[Collection[str]], Awaitable[dict[str, int]]]
ReadEvents = Callable[[str, int, int, int], Awaitable[EventRecords | None]]

LONGEST_INTERVAL_S = 0.1
"""The longest pause between two looks at the jobs, reached while nothing changes."""
_CALM = 20
"""The pause may grow to 1/20 of the time since the last change."""
BATCH_EVENTS = 100
BATCH_BYTES = 64 * 2**10
"""About how much of a job's history a stream holds in memory, however slow its client is."""
STALLED_S = 60.0
"""A stream whose client reads nothing for so long is closed; it can be resumed."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Waiter:
    job_id: str
    version: int
    woken: asyncio.Event


class Watcher:
    """Wakes requests when their job changes.

    Every `interval_s` seconds it reads the versions of all awaited jobs in one query; less often
    while none of them changes, and not at all while no request waits. Use it in one event loop.
    """

    def __init__(self, read_versions: ReadVersions, interval_s: float) -> None:
        self._read_versions = read_versions
        self._interval_s = interval_s
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._versions: dict[str, int] = {}
        self._changed_at = 0.0
        self._hurry = asyncio.Event()
        self._database_down = False
        self._closed = False

    async def changed(self, job_id: str, version: int, timeout_s: float) -> bool:
        """Wait until the job has left `version`; False if the time runs out first."""
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
        """Wake all requests: the server stops."""
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
            if not self._database_down:
                logger.warning("waiting requests are not served: %s", error)
            self._database_down = True
            return
        self._database_down = False
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
        """Return to the shortest interval for a while: something happens."""
        self._changed_at = asyncio.get_running_loop().time()
        self._hurry.set()


class Batch(NamedTuple):
    """Some of a job's events as a stream sends them."""

    after: int
    """The id of the event before the first."""
    last_id: int
    """The id of the last event; `after` if there are none."""
    newest: int
    """The id of the job's newest event."""
    content: bytes
    version: int
    """The job's version when the events were read."""
    ended: bool
    """Whether the job had ended: then `newest` is its last event."""

    @property
    def complete(self) -> bool:
        """Whether no event can follow."""
        return self.ended and self.last_id >= self.newest


class Feed:
    """Supplies streams with their next events. Use it in one event loop.

    Streams at the same position share one read and one serialization, so fifty streams cost little
    more than one. At most `max_streams` are open.
    """

    def __init__(self, read_events: ReadEvents, max_streams: int) -> None:
        self._read_events = read_events
        self._max_streams = max_streams
        self._open: Counter[str] = Counter()
        self._newest: dict[str, Batch] = {}
        self._reading: dict[tuple[str, int], asyncio.Task[Batch | None]] = {}

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._open.total()

    def admit(self) -> None:
        """Raise TooManyStreams while no further stream may be opened."""
        if self.streams >= self._max_streams:
            raise TooManyStreams(self._max_streams)

    @contextmanager
    def stream(self, job_id: str) -> Iterator[None]:
        """Count a stream of the job while in the block."""
        self._open[job_id] += 1
        try:
            yield
        finally:
            self._open[job_id] -= 1
            if not self._open[job_id]:
                del self._open[job_id]
                self._newest.pop(job_id, None)

    async def events_after(self, job_id: str, after: int, known: int = 0) -> Batch | None:
        """The job's next events after the event `after`; None if there is no such job.

        `known` is the job's version that the stream has seen; a batch that was read for another
        stream since then is reused. Raises DatabaseUnavailable.
        """
        newest = self._newest.get(job_id)
        if newest is not None and newest.after == after and newest.version > known:
            return newest
        key = (job_id, after)
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(job_id, after))
            task.add_done_callback(lambda done: self._done(key, done))
        # Shielded: other streams wait for the same task when this one is closed.
        return await asyncio.shield(task)

    async def _read(self, job_id: str, after: int) -> Batch | None:
        events = await self._read_events(job_id, after, BATCH_EVENTS, BATCH_BYTES)
        if events is None:
            return None
        batch = _batch(after, events)
        if job_id in self._open:
            self._newest[job_id] = batch
        return batch

    def _done(self, key: tuple[str, int], task: asyncio.Task[Batch | None]) -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # retrieved here, in case no stream waits any more


def _batch(after: int, events: EventRecords) -> Batch:
    return Batch(
        after=after,
        last_id=events.records[-1].id if events.records else after,
        newest=events.newest,
        content=b"".join(map(_sse, events.records)),
        version=events.version,
        ended=events.ended,
    )


def _sse(record: EventRecord) -> bytes:
    return format_sse_event(event=record.type.value, data_str=event_json(record), id=str(record.id))


class EventStreamResponse(EventSourceResponse):
    """The stream of one job's events; raises TooManyStreams."""

    def __init__(
        self, feed: Feed, job_id: str, content: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        feed.admit()
        super().__init__(content, headers=headers)
        self._feed = feed
        self._job_id = job_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        with self._feed.stream(self._job_id):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the stream until its client stops reading."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALLED_S):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            logger.info("a stream of %s was not read for %.0f s", self._job_id, STALLED_S)
