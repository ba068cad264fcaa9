"""/jobs/{id}/logs: what the service, the worker and the trainer logged about a job."""

import json
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.log import LogLevel, LogPage
from ridgeline.api.problems import ProblemCode
from ridgeline.storage import LogRecord, LogRecords, LogStore
from service.http.documentation import headers
from service.http.problems import not_acceptable, responses
from service.http.representations import dump, job_path, rfc3339
from service.http.requests import negotiate
from service.jobs import rules as jobs
from service.services import Services, ServicesDep

JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"
OFFERED = (JSON, NDJSON, TEXT)
MAX_LINES = 1000

router = APIRouter(tags=["jobs"])


class LogQuery(BaseModel):
    """Which lines to read."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="`next` of the previous page, or a line's id.")
    ] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LINES)] = 200
    level: Annotated[LogLevel | None, Field(description="Only lines of this level or above.")] = (
        None
    )


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
    services: ServicesDep,
    query: Annotated[LogQuery, Query()],
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read a job's log, oldest lines first, as JSON, as lines of JSON, or as text."""
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        raise not_acceptable("The log is", OFFERED)
    await jobs.find(services, job_id)
    lines = await run_in_threadpool(page, services, job_id, query.after, query.limit, query.level)
    extra = {"Vary": "Accept"}
    if lines.next_after is not None:
        following = {**query.model_dump(exclude_none=True), "after": lines.next_after}
        extra["Link"] = f'<{job_path(job_id, "logs")}?{urlencode(following)}>; rel="next"'
    content = _serialized(lines, media_type, from_start=query.after == 0)
    return Response(content, headers=extra, media_type=media_type)


def page(
    services: Services, job_id: str, after: int, limit: int, level: LogLevel | None
) -> LogRecords:
    """Up to `limit` lines after the line `after`, of `level` or above; raises UnknownJob."""
    levels = level.and_above if level else ()
    return LogStore(services.database).page(job_id, after, limit, levels)


def _serialized(lines: LogRecords, media_type: str, *, from_start: bool) -> str:
    if media_type == NDJSON:
        return "".join(f"{_entry_json(record)}\n" for record in lines.records)
    if media_type == TEXT:
        return _page_text(lines, from_start=from_start)
    return _page_json(lines)


def _page_json(lines: LogRecords) -> str:
    """A LogPage of the API."""
    items = ",".join(map(_entry_json, lines.records))
    following = f'"next":{dump(lines.next_after)},"dropped":{lines.dropped}'
    return f'{{"items":[{items}],{following}}}'


def _page_text(lines: LogRecords, *, from_start: bool) -> str:
    """One line each; a field of several lines follows its line."""
    dropped = [f"({lines.dropped} older lines were dropped)"] if lines.dropped else []
    texts = (text for record in lines.records for text in _entry_text(record))
    return "".join(f"{text}\n" for text in (*(dropped if from_start else ()), *texts))


def _entry_json(record: LogRecord) -> str:
    members = (
        ("id", dump(record.number)),
        ("at", dump(rfc3339(record.at))),
        ("attempt", dump(record.attempt)),
        ("fence", dump(record.fence)),
        ("level", dump(record.level)),
        ("source", dump(record.source)),
        ("event", dump(record.event)),
        ("fields", record.fields),
    )
    return "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"


def _entry_text(record: LogRecord) -> Iterator[str]:
    fields = json.loads(record.fields)
    long = {key: value for key, value in fields.items() if "\n" in str(value)}
    short = [f"{key}={_word(fields[key])}" for key in fields if key not in long]
    event = " ".join(record.event.splitlines())
    start = f"{rfc3339(record.at)} {record.level:<8} {record.source:<7} attempt {record.attempt}"
    yield " ".join([start, event, *short])
    for key, value in long.items():
        yield f"    {key}:"
        yield from (f"    | {line}" for line in str(value).splitlines())


def _word(value: object) -> str:
    plain = isinstance(value, str) and value and not set(value) & set(' "=')
    return str(value) if plain else dump(value)
