"""A job's events: as pages, and as a stream that goes on until the job has ended."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from ridgeline.api.problems import ProblemCode
from ridgeline.spec.faults import Fault
from ridgeline.storage import DatabaseUnavailable, EventRecords
from service.events.feed import Batch
from service.http.problems import ApiProblem, no_such_job
from service.http.representations import dump, event_json
from service.jobs import rules as jobs
from service.services import Parts

MAX_EVENTS = 1000
PAGE_BYTES = 4 * 2**20
"""About how long a page of events may be; it has fewer than asked for then."""
PING_S = 15.0
"""How long a stream is silent at most: proxies cut what is silent for longer."""
RETRY_MS = 1000
"""When a client whose stream broke off comes back."""
_NEVER_MS = 24 * 3600 * 1000
"""When one comes back that does not heed the event `end`."""
_AWAY_S = 0.5
"""How often a database that is away is asked again."""


class Start(NamedTuple):
    """Where a client wants to begin."""

    after: int
    """Behind the event with this id."""
    named: str
    """Where the request says so, as a pointer."""


async def page(parts: Parts, job_id: str, start: Start, limit: int, wait_s: float) -> EventRecords:
    """Up to `limit` of the job's events from `start` on; waits for the first `wait_s` at most.

    Raises ApiProblem: not-found, or invalid-request where the job has no such event yet.
    """
    jobs.check_id(job_id)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        found = await parts.read_events(job_id, start.after, limit, PAGE_BYTES)
        if found is None:
            raise no_such_job()
        _check(start, found.newest)
        if found.records or found.ended:
            return found
        if not await parts.watcher.changed(job_id, found.version, deadline - loop.time()):
            return found


def page_json(found: EventRecords, after: int) -> str:
    """The contract's EventPage."""
    items = ",".join(map(event_json, found.records))
    last_id = found.records[-1].id if found.records else after
    complete = found.ended and last_id >= found.newest
    return f'{{"items":[{items}],"last_id":{last_id},"complete":{dump(complete)}}}'


async def first(parts: Parts, job_id: str, start: Start) -> Batch:
    """What a stream begins with; raises ApiProblem as page() does."""
    jobs.check_id(job_id)
    batch = await parts.feed.behind(job_id, start.after)
    if batch is None:
        raise no_such_job()
    _check(start, batch.newest)
    return batch


async def stream(parts: Parts, job_id: str, batch: Batch) -> AsyncIterator[bytes]:
    """The job's events from `batch` on, until it has ended, is deleted, or the server stops.

    Only the end of the job is told as such: whoever was cut off comes back behind the last event.
    """
    yield format_sse_event(retry=RETRY_MS)
    following: Batch | None = batch
    while following is not None:
        batch = following
        if batch.content:
            yield batch.content
        if batch.complete:
            yield format_sse_event(event="end", data_str="{}", retry=_NEVER_MS)
            return
        while batch.last_id >= batch.newest and not parts.watcher.closed:
            if await parts.watcher.changed(job_id, batch.version, PING_S):
                break
            yield KEEPALIVE_COMMENT
        following = await _following(parts, job_id, batch)


async def _following(parts: Parts, job_id: str, batch: Batch) -> Batch | None:
    """The next batch; None if the job was deleted, or the server stops.

    Who reads a stream need not know that the database was away: nothing is lost by waiting.
    """
    while not parts.watcher.closed:
        try:
            return await parts.feed.behind(job_id, batch.last_id, batch.version)
        except DatabaseUnavailable:
            await asyncio.sleep(_AWAY_S)
    return None


def _check(start: Start, newest: int) -> None:
    """Refuse an id from elsewhere: whoever waited behind it would miss what comes before."""
    if start.after > newest:
        expected = f"expected the id of an event of this job, which is {newest} at most, or none"
        fault = Fault(pointer=start.named, detail=expected, rule="unknown-event")
        detail = "The job has had no event with this id; without one, all its events are sent."
        raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, errors=[fault])
