"""/jobs/{id}/curves: how the losses went."""

from http import HTTPStatus
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from ridgeline.contract.curves import Curves
from ridgeline.contract.problems import ProblemCode
from ridgeline.storage import JobRecord
from ridgeline.storage.thinning import MIN_POINTS
from service.deps import Parts, PartsDep
from service.documentation import headers
from service.headers import negotiate
from service.operations import curves, jobs
from service.problems import ApiProblem, responses

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
OFFERED = (JSON, CSV, NDJSON)

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
            "content": {kind: {"schema": {"type": "string"}} for kind in (CSV, NDJSON)},
            "headers": headers("Vary"),
        },
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
) -> Response:
    """Read the curves so far, as JSON, as CSV, or as lines of JSON: an EpochRow each."""
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        raise _not_acceptable()
    # The job is read first: if it has ended, no epoch is missing in what is read after.
    record = await jobs.find(parts, job_id)
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
