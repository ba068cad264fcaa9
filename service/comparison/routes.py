"""/compare: jobs beside each other."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from ridgeline.api.comparison import Comparison
from ridgeline.api.problems import ProblemCode
from ridgeline.charts import LOSS
from ridgeline.storage.records.thinning import MIN_POINTS
from service.charts import rules as charts
from service.charts.routes import (
    CHART_CONTENT,
    CHART_HEADERS,
    Accept,
    IfNoneMatch,
    LookQuery,
    chart_headers,
)
from service.charts.rules import JSON, PICTURES, VEGA_LITE, Look
from service.comparison import rules as comparison
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.headers import matches, negotiate
from service.http.problems import ApiProblem, responses
from service.services import PartsDep

OFFERED = (JSON, VEGA_LITE, *PICTURES)

router = APIRouter(tags=["comparison"])


class CompareQuery(LookQuery):
    """Which jobs to compare, and how the chart is to look."""

    jobs: Annotated[
        str, Field(max_length=1000, description="2 to 20 ids of jobs, with commas between them.")
    ]
    measure: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9_]{1,64}$",
            description="What the chart shows: `loss` (without the penalty) or a metric.",
        ),
    ] = LOSS
    max_points: Annotated[
        int,
        Field(
            ge=MIN_POINTS,
            le=comparison.MAX_POINTS,
            description="About so many epochs, what is extreme in each job among them.",
        ),
    ] = charts.POINTS


@router.get(
    "/compare",
    response_model=Comparison,
    responses={
        200: {"content": CHART_CONTENT, "headers": headers(*CHART_HEADERS)},
        304: {"description": "The client has the comparison", "headers": headers("ETag")},
        **responses(
            ProblemCode.NOT_FOUND,
            ProblemCode.NOT_ACCEPTABLE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def compare_jobs(
    parts: PartsDep,
    query: Annotated[CompareQuery, Query()],
    accept: Accept = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Compare jobs: how their specs differ and how their curves went, or a chart of the curves."""
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        detail = f"A comparison comes as {', '.join(OFFERED)}; name one of them in Accept."
        raise ApiProblem(ProblemCode.NOT_ACCEPTABLE, detail, status=HTTPStatus.NOT_ACCEPTABLE)
    asked = query.model_dump(exclude={"jobs", "measure"})
    look = charts.bounded(Look(media_type=media_type, **asked))
    records = await comparison.find(parts, query.jobs)
    meta = chart_headers(charts.tag(look, query.measure, *records), look, "comparison")
    if matches(if_none_match, meta["ETag"]):
        return not_modified(meta)
    async with parts.curves:
        if media_type == JSON:
            found = comparison.comparison
            content = await run_in_threadpool(found, parts.jobs, records, look.max_points)
            return json_answer(content, headers=meta)
        spec = await run_in_threadpool(comparison.picture, parts.jobs, records, query.measure, look)
    content = await charts.drawn(parts.renderer, spec, look)
    return Response(content, headers=meta, media_type=media_type)
