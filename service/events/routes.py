"""/jobs/{id}/events: what happens to a job, as it happens."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.events import EventPage
from ridgeline.api.problems import ProblemCode
from service.events import rules as events
from service.events.feed import EventStream
from service.http.answers import json_answer
from service.http.documentation import headers
from service.http.headers import negotiate
from service.http.problems import ApiProblem, responses
from service.http.routing import is_head
from service.jobs.routes import LONGEST_WAIT_S
from service.services import Parts, PartsDep

JSON = "application/json"
EVENT_STREAM = EventSourceResponse.media_type
OFFERED = (JSON, EVENT_STREAM)
_LIVE = {
    "Vary": "Accept",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold back what is not much yet
}

router = APIRouter(tags=["jobs"])

EventId = Annotated[int, Field(ge=0, le=2**63 - 1)]
LastEventId = Annotated[
    EventId | None,
    Header(description="The id of the last event that has come; it counts more than `after`."),
]


class EventQuery(BaseModel):
    """Which events."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[EventId, Field(description="Only events behind the one with this id.")] = 0
    limit: Annotated[
        int, Field(ge=1, le=events.MAX_EVENTS, description="Of a page; a stream has no end.")
    ] = 200
    wait: Annotated[
        float,
        Field(
            ge=0,
            le=LONGEST_WAIT_S,
            allow_inf_nan=False,
            description="Answer a page once there is an event for it, or after so many seconds."
            " The service may answer sooner.",
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
    parts: PartsDep,
    query: Annotated[EventQuery, Query()],
    last_event_id: LastEventId = None,
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read a job's events, oldest first, as a page of JSON or as server-sent events.

    A stream tells the events so far (those behind `Last-Event-ID`) and goes on with each as it
    comes: `event` is `status` or `epoch`, `data` a JobEvent. After the last one of an ended job
    comes `event: end`, and the stream closes. One that breaks off without it is to be continued.
    """
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        detail = f"Events come as {' or '.join(OFFERED)}; name one of them in Accept."
        raise ApiProblem(ProblemCode.NOT_ACCEPTABLE, detail)
    start = events.Start(query.after, "?after")
    if last_event_id is not None:
        start = events.Start(last_event_id, "last-event-id:")
    if media_type == EVENT_STREAM:
        return await _stream(request, parts, job_id, start)
    wait_s = 0 if is_head(request.scope) else min(query.wait, parts.settings.max_wait_s)
    found = await events.page(parts, job_id, start, query.limit, wait_s)
    return json_answer(events.page_json(found, start.after), headers=_LIVE)


async def _stream(request: Request, parts: Parts, job_id: str, start: events.Start) -> Response:
    batch = await events.first(parts, job_id, start)
    if is_head(request.scope):
        answer = Response(headers=_LIVE, media_type=EVENT_STREAM)
        del answer.headers["Content-Length"]  # nobody knows it
        return answer
    content = events.stream(parts, job_id, batch)
    return EventStream(parts.feed, job_id, content, _LIVE)
