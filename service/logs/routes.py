"""/jobs/{id}/logs: what was said about a job while it was worked on."""

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.log import LogLevel, LogPage
from ridgeline.api.problems import ProblemCode
from ridgeline.storage import LogRecords
from service.http.documentation import headers
from service.http.headers import negotiate
from service.http.problems import ApiProblem, responses
from service.http.representations import job_path
from service.jobs import rules as jobs
from service.logs import rules as logs
from service.services import PartsDep

JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"
OFFERED = (JSON, NDJSON, TEXT)

router = APIRouter(tags=["jobs"])


class LogQuery(BaseModel):
    """Which lines."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="`next` of the page before, or a line's id.")
    ] = 0
    limit: Annotated[int, Field(ge=1, le=logs.MAX_LINES)] = 200
    level: Annotated[
        LogLevel | None, Field(description="Only lines of this level, or that matter more.")
    ] = None


@router.get(
    "/jobs/{job_id}/logs",
    response_model=LogPage,
    responses={
        200: {
            "content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, TEXT)},
            "headers": headers("Link", "Vary"),
        },
        **responses(
            ProblemCode.NOT_FOUND,
            ProblemCode.NOT_ACCEPTABLE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def read_log(
    job_id: str,
    parts: PartsDep,
    query: Annotated[LogQuery, Query()],
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read a job's log, oldest lines first, as JSON, as lines of JSON, or as text."""
    media_type = _media_type(accept or ())
    await jobs.find(parts, job_id)
    found = await run_in_threadpool(logs.page, parts, job_id, query.after, query.limit, query.level)
    extra = {"Vary": "Accept"}
    if found.next_after is not None:
        following = {**query.model_dump(exclude_none=True), "after": found.next_after}
        extra["Link"] = f'<{job_path(job_id, "logs")}?{urlencode(following)}>; rel="next"'
    content = _rendered(found, media_type, from_start=query.after == 0)
    return Response(content, headers=extra, media_type=media_type)


def _media_type(accept: Iterable[str]) -> str:
    media_type = negotiate(accept, OFFERED)
    if media_type is None:
        detail = f"The log comes as {', '.join(OFFERED)}; name one of them in Accept."
        raise ApiProblem(ProblemCode.NOT_ACCEPTABLE, detail)
    return media_type


def _rendered(found: LogRecords, media_type: str, *, from_start: bool) -> str:
    if media_type == NDJSON:
        return logs.to_ndjson(found)
    if media_type == TEXT:
        return logs.to_text(found, from_start=from_start)
    return logs.to_json(found)
