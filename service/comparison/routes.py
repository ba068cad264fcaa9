"""/compare: several jobs side by side."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from ridgeline.api.comparison import Comparison
from ridgeline.api.problems import ProblemCode
from ridgeline.charts import LOSS
from ridgeline.storage.records.thinning import MIN_POINTS
from service.comparison import rules as comparison
from service.curves import rules as curves
from service.curves.routes import (
    CHART_CONTENT,
    CHART_HEADERS,
    Accept,
    ChartQuery,
    IfNoneMatch,
    chart_headers,
)
from service.curves.rules import JSON, PICTURES, VEGA_LITE, ChartRequest
from service.http.documentation import headers
from service.http.problems import not_acceptable, responses
from service.http.representations import json_answer, not_modified
from service.http.requests import matches, negotiate
from service.services import ServicesDep

OFFERED = (JSON, VEGA_LITE, *PICTURES)

router = APIRouter(tags=["comparison"])


class CompareQuery(ChartQuery):
    """Which jobs to compare, and the appearance of the chart."""

    jobs: Annotated[
        str, Field(max_length=1000, description="2 to 20 ids of jobs, separated by commas.")
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
            description="About so many epochs, each job's extremes among them.",
        ),
    ] = curves.POINTS


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
    services: ServicesDep,
    query: Annotated[CompareQuery, Query()],
    accept: Accept = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Compare jobs: how their specs differ, and their curves; or a chart of the curves."""
    media_type = negotiate(accept or (), OFFERED)
    if media_type is None:
        raise not_acceptable("A comparison is", OFFERED)
    appearance = query.model_dump(exclude={"jobs", "measure"})
    request = curves.bounded(ChartRequest(media_type=media_type, **appearance))
    records = await comparison.find(services, query.jobs)
    meta = chart_headers(curves.tag(request, query.measure, *records), request, "comparison")
    if matches(if_none_match, meta["ETag"]):
        return not_modified(meta)
    async with services.curves:
        if media_type == JSON:
            content = await run_in_threadpool(
                comparison.comparison, services.jobs, records, request.max_points
            )
            return json_answer(content, headers=meta)
        spec = await run_in_threadpool(
            comparison.picture, services.jobs, records, query.measure, request
        )
    content = await curves.drawn(services.renderer, spec, request)
    return Response(content, headers=meta, media_type=media_type)
