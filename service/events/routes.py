"""/jobs/{id}/events: changes of a job's status and its epochs, as pages or as a live stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.events import EventPage
from ridgeline.api.problems import ProblemCode
from ridgeline.spec.faults import Fault
from ridgeline.storage import DatabaseUnavailable, EventRecords, UnknownJob
from service.errors import InvalidRequest
from service.events.live import Batch, EventStreamResponse
from service.http.documentation import headers
from service.http.problems import not_acceptable, responses
from service.http.representations import dump, event_json, json_answer
from service.http.requests import is_head, negotiate
from service.jobs import rules as jobs
from service.jobs.routes import LONGEST_WAIT_S
from service.services import Services, ServicesDep

JSON = "application/json"
EVENT_STREAM = EventSourceResponse.media_type
OFFERED = (JSON, EVENT_STREAM)
_LIVE = {
    "Vary": "Accept",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # keeps nginx from buffering small chunks
}
router = APIRouter(tags=["jobs"])
EventId = Annotated[int, Field(ge=0, le=2**63 - 1)]
LastEventId = Annotated[
    EventId | None,
    Header(description="The id of the last event received; it takes precedence over `after`."),
]
MAX_EVENTS = 1000
PAGE_BYTES = 4 * 2**20
"""About how long a page may be: a longer one has fewer events than `limit`."""
PING_S = 15.0
"""The longest silence of a stream: proxies close connections that are silent for longer."""
RETRY_MS = 1000
"""When a client reconnects to a stream that broke off."""
_NEVER_MS = 24 * 3600 * 1000
"""When a client reconnects that ignores the event `end`."""
_DATABASE_RETRY_S = 0.5
"""How often a stream retries while the database does not answer."""


class EventQuery(BaseModel):
    """Which events to read."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[EventId, Field(description="Only events after the one with this id.")] = 0
    limit: Annotated[
        int, Field(ge=1, le=MAX_EVENTS, description="Of a page; a stream has no limit.")
    ] = 200
    wait: Annotated[
        float,
        Field(
            ge=0,
            le=LONGEST_WAIT_S,
            allow_inf_nan=False,
            description="Respond once the page has an event, or after so many seconds. The service"
            " may respond sooner.",
        ),
    ] = 0


@router.get(
    "/jobs/{job_id}/events",
    response_model=EventPage,
    responses={
        200: {
            "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
            "headers": headers("Cache-Control", "Vary"),
        },
        **responses(
            ProblemCode.NOT_FOUND,
            ProblemCode.NOT_ACCEPTABLE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def read_events(
    job_id: str,
    request: Request,
    services: ServicesDep,
    query: Annotated[EventQuery, Query()],
    last_event_id: LastEventId = None,
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read a job's events, oldest first, as a page of JSON or as server-sent events.

    A stream sends the events so far (those after `Last-Event-ID`), then each as it happens: `event`
    is `status` or `epoch`, `data` a JobEvent. After the last event of an ended job it sends
    `event: end` and closes. If a stream breaks off without `end`, reconnect to resume it.
    """
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        raise not_acceptable("Events are", OFFERED)
    start = Start(query.after, "?after")
    if last_event_id is not None:
        start = Start(last_event_id, "last-event-id:")
    if media_type == EVENT_STREAM:
        return await _stream(request, services, job_id, start)
    wait_s = 0 if is_head(request.scope) else min(query.wait, services.settings.max_wait_s)
    records = await page(services, job_id, start, query.limit, wait_s)
    return json_answer(page_json(records, start.after), headers=_LIVE)


class Start(NamedTuple):
    """Where a client wants to begin."""

    after: int
    """The id of the last event that it has."""
    pointer: str
    """Where the request names this id."""


async def _stream(request: Request, services: Services, job_id: str, start: Start) -> Response:
    batch = await first(services, job_id, start)
    if is_head(request.scope):
        answer = Response(headers=_LIVE, media_type=EVENT_STREAM)
        del answer.headers["Content-Length"]  # unknown
        return answer
    content = stream(services, job_id, batch)
    return EventStreamResponse(services.feed, job_id, content, _LIVE)


async def page(
    services: Services, job_id: str, start: Start, limit: int, wait_s: float
) -> EventRecords:
    """Up to `limit` of the job's events from `start` on; waits up to `wait_s` for the first.

    Raises UnknownJob, and InvalidRequest if the job has had no such event.
    """
    jobs.check_id(job_id)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        events = await services.read_events(job_id, start.after, limit, PAGE_BYTES)
        if events is None:
            raise UnknownJob(job_id)
        _check(start, events.newest)
        if events.records or events.ended:
            return events
        if not await services.watcher.changed(job_id, events.version, deadline - loop.time()):
            return events


def page_json(events: EventRecords, after: int) -> str:
    """An EventPage of the API."""
    items = ",".join(map(event_json, events.records))
    last_id = events.records[-1].id if events.records else after
    complete = events.ended and last_id >= events.newest
    return f'{{"items":[{items}],"last_id":{last_id},"complete":{dump(complete)}}}'


async def first(services: Services, job_id: str, start: Start) -> Batch:
    """The first batch of a stream; raises what page() raises."""
    jobs.check_id(job_id)
    batch = await services.feed.events_after(job_id, start.after)
    if batch is None:
        raise UnknownJob(job_id)
    _check(start, batch.newest)
    return batch


async def stream(services: Services, job_id: str, batch: Batch) -> AsyncIterator[bytes]:
    """The job's events from `batch` on, until it has ended, is deleted, or the server stops.

    Only the end of the job is announced; a client that is cut off otherwise resumes after its last
    event.
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
        while batch.last_id >= batch.newest and not services.watcher.closed:
            if await services.watcher.changed(job_id, batch.version, PING_S):
                break
            yield KEEPALIVE_COMMENT
        following = await _following(services, job_id, batch)


async def _following(services: Services, job_id: str, batch: Batch) -> Batch | None:
    """The next batch; None if the job was deleted, or the server stops.

    Waits while the database does not answer: nothing is lost by it.
    """
    while not services.watcher.closed:
        try:
            return await services.feed.events_after(job_id, batch.last_id, batch.version)
        except DatabaseUnavailable:
            await asyncio.sleep(_DATABASE_RETRY_S)
    return None


def _check(start: Start, newest: int) -> None:
    """Reject an id of another job: a client that waits after it would miss earlier events."""
    if start.after > newest:
        expected = f"expected the id of an event of this job, which is at most {newest}, or none"
        fault = Fault(pointer=start.pointer, detail=expected, rule="unknown-event")
        detail = "The job has had no event with this id. Leave the id out to get all events."
        raise InvalidRequest([fault], detail)
