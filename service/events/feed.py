"""The events of jobs on their way into open streams, read once for all that wait for the same.

An event stream as a response: counted while it is open, and given up when nobody reads it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import NamedTuple

from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from ridgeline.api.problems import ProblemCode
from ridgeline.storage import EventRecord, EventRecords
from service.http.problems import RETRY_AFTER_S, ApiProblem
from service.http.representations import event_json

ReadEvents = Callable[[str, int, int, int], Awaitable[EventRecords | None]]


BATCH_EVENTS = 100


BATCH_BYTES = 64 * 2**10
"""About how much of a job's history a stream holds at once, however slowly it is read."""


STALLED_S = 60.0
"""How long a client may take nothing of what is sent; it can come back behind the last event."""


logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Some of a job's events as a stream sends them."""

    after: int
    """They lie behind the event with this id."""
    last_id: int
    """Of the last of them, else `after`."""
    newest: int
    """The id of the job's newest event."""
    content: bytes
    version: int
    """The job's, when they were read."""
    ended: bool
    """Whether the job had ended: then `newest` is its last."""

    @property
    def complete(self) -> bool:
        """Whether nothing will ever follow."""
        return self.ended and self.last_id >= self.newest


class Feed:
    """Gives streams their next events. Use it in one event loop.

    Streams that have come equally far share what is read and written for one of them, so fifty cost
    little more than one. At most `max_streams` are open.
    """

    def __init__(self, read_events: ReadEvents, max_streams: int) -> None:
        self._read_events = read_events
        self._max_streams = max_streams
        self._open: Counter[str] = Counter()
        self._newest: dict[str, Batch] = {}
        self._reading: dict[tuple[str, int], asyncio.Task[Batch | None]] = {}

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._open.total()

    def admit(self) -> None:
        """Raise ApiProblem (unavailable) while as many streams are open as may be."""
        if self.streams >= self._max_streams:
            detail = (
                f"{self._max_streams} event streams are open, as many as RIDGELINE_MAX_STREAMS"
                " allows. Try again later, or ask for application/json with ?wait=."
            )
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers, status=status)

    @contextmanager
    def stream(self, job_id: str) -> Iterator[None]:
        """Count a stream of the job in the block."""
        self._open[job_id] += 1
        try:
            yield
        finally:
            self._open[job_id] -= 1
            if not self._open[job_id]:
                del self._open[job_id]
                self._newest.pop(job_id, None)

    async def behind(self, job_id: str, after: int, known: int = 0) -> Batch | None:
        """The job's next events behind `after`; None if there is no such job.

        `known` is the version of the job that the stream has seen: what was read for another stream
        since then will do. Raises DatabaseUnavailable.
        """
        newest = self._newest.get(job_id)
        if newest is not None and newest.after == after and newest.version > known:
            return newest
        key = (job_id, after)
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(job_id, after))
            task.add_done_callback(lambda done: self._done(key, done))
        # Shielded: others wait for it who have not hung up.
        return await asyncio.shield(task)

    async def _read(self, job_id: str, after: int) -> Batch | None:
        found = await self._read_events(job_id, after, BATCH_EVENTS, BATCH_BYTES)
        if found is None:
            return None
        batch = _batch(after, found)
        if job_id in self._open:
            self._newest[job_id] = batch
        return batch

    def _done(self, key: tuple[str, int], task: asyncio.Task[Batch | None]) -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # it was raised where it is waited for, if anybody still waits


def _batch(after: int, found: EventRecords) -> Batch:
    return Batch(
        after=after,
        last_id=found.records[-1].id if found.records else after,
        newest=found.newest,
        content=b"".join(map(_sent, found.records)),
        version=found.version,
        ended=found.ended,
    )


def _sent(record: EventRecord) -> bytes:
    return format_sse_event(event=record.type.value, data_str=event_json(record), id=str(record.id))


class EventStream(EventSourceResponse):
    """The stream of one job's events; raises ApiProblem (unavailable) if too many are open."""

    def __init__(
        self, feed: Feed, job_id: str, content: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        feed.admit()
        super().__init__(content, headers=headers)
        self._feed = feed
        self._job_id = job_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._feed.stream(self._job_id):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send it, as long as the client takes it."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALLED_S):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            logger.info("a stream of %s was not read for %.0f s", self._job_id, STALLED_S)
