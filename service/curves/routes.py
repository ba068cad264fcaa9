"""/jobs/{id}/curves: how the losses went."""

from http import HTTPStatus
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from ridgeline.api.curves import Curves
from ridgeline.api.problems import ProblemCode
from ridgeline.storage import JobRecord
from ridgeline.storage.records.thinning import MIN_POINTS
from service.charts import rules as charts
from service.charts.routes import PICTURE_CONTENT, IfNoneMatch, LookQuery, chart_answer
from service.charts.rules import PICTURES, Look
from service.curves import rules as curves
from service.http.documentation import headers
from service.http.headers import negotiate
from service.http.problems import ApiProblem, responses
from service.jobs import rules as jobs
from service.services import Parts, PartsDep

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
OFFERED = (JSON, CSV, NDJSON, *PICTURES)

_VARY = {"Vary": "Accept"}

router = APIRouter(tags=["curves"])

MaxPoints = Annotated[
    int | None,
    Query(
        ge=MIN_POINTS,
        le=curves.MAX_POINTS,
        description="At most so many epochs: the first, the last, and where any series is extreme.",
    ),
]


@router.get(
    "/jobs/{job_id}/curves",
    response_model=Curves,
    responses={
        200: {
            "content": {
                **{kind: {"schema": {"type": "string"}} for kind in (CSV, NDJSON)},
                **PICTURE_CONTENT,
            },
            "headers": headers("Vary"),
        },
        304: {"description": "The client has the picture", "headers": headers("ETag")},
        **responses(
            ProblemCode.NOT_FOUND,
            ProblemCode.NOT_ACCEPTABLE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def read_curves(
    job_id: str,
    parts: PartsDep,
    max_points: MaxPoints = None,
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the curves so far: JSON, CSV, an EpochRow a line, or a picture of the losses."""
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        raise _not_acceptable()
    # The job is read first: if it has ended, no epoch is missing in what is read after.
    record = await jobs.find(parts, job_id)
    if media_type in PICTURES:
        query = LookQuery(max_points=min(max_points or charts.POINTS, charts.MOST_POINTS))
        look = Look(media_type=media_type, **query.model_dump())
        return await chart_answer(parts, record, "losses", look, if_none_match)
    async with parts.curves:
        return await run_in_threadpool(_answer, parts, record, max_points, media_type)


def _answer(parts: Parts, record: JobRecord, max_points: int | None, media_type: str) -> Response:
    if media_type == NDJSON:
        lines = curves.lines(parts.jobs, record.id, max_points)
        first = next(lines, "")  # a database that is away is told of before the answer begins
        return StreamingResponse(chain([first], lines), headers=_VARY, media_type=NDJSON)
    found = curves.curves(parts.jobs, record.id, max_points)
    if media_type == CSV:
        return Response(curves.to_csv(found), headers=_VARY, media_type=f"{CSV}; header=present")
    content = curves.to_json(found, record.id, complete=record.status.terminal)
    return Response(content, headers=_VARY, media_type=JSON)


def _not_acceptable() -> ApiProblem:
    detail = f"The curves come as {', '.join(OFFERED)}; name one of them in Accept."
    return ApiProblem(ProblemCode.NOT_ACCEPTABLE, detail, status=HTTPStatus.NOT_ACCEPTABLE)
