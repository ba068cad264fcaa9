"""/jobs/{id}/charts: curves as pictures, and as what draws them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ridgeline.api.curves import ChartEntry, ChartName, Theme
from ridgeline.api.problems import ProblemCode
from ridgeline.charts import HEIGHT, WIDTH
from ridgeline.storage import JobRecord
from ridgeline.storage.records.thinning import MIN_POINTS
from service.charts import rules as charts
from service.charts.rules import PNG, SVG, VEGA_LITE, Look
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.headers import matches, negotiate
from service.http.problems import ApiProblem, responses
from service.jobs import rules as jobs
from service.services import Parts, PartsDep

router = APIRouter(tags=["charts"])

Accept = Annotated[list[str] | None, Header(include_in_schema=False)]
IfNoneMatch = Annotated[str | None, Header(description="Entity tags the client has.")]

_ENTRIES = TypeAdapter(list[ChartEntry])
_SUFFIXES = {SVG: "svg", PNG: "png"}
_STRING: dict[str, Any] = {"type": "string"}
PICTURE_CONTENT: dict[str, Any] = {
    SVG: {"schema": _STRING},
    PNG: {"schema": {**_STRING, "format": "binary"}},
}
CHART_CONTENT: dict[str, Any] = {VEGA_LITE: {"schema": {"type": "object"}}, **PICTURE_CONTENT}
CHART_HEADERS = ("ETag", "Vary", "Cache-Control")


class LookQuery(BaseModel):
    """How a chart is to look."""

    model_config = ConfigDict(extra="forbid")

    theme: Theme = "light"
    width: Annotated[int, Field(ge=240, le=2400, description="Of the picture, in pixels.")] = WIDTH
    height: Annotated[int, Field(ge=180, le=1600, description="Of the picture, in pixels.")] = (
        HEIGHT
    )
    scale: Annotated[
        float,
        Field(ge=0.5, le=4, allow_inf_nan=False, description="A PNG's pixels, as a multiple."),
    ] = 1.0
    max_points: Annotated[
        int,
        Field(
            ge=MIN_POINTS,
            le=charts.MOST_POINTS,
            description="At most so many epochs, the extremes among them.",
        ),
    ] = charts.POINTS


@router.get(
    "/jobs/{job_id}/charts",
    response_model=list[ChartEntry],
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
async def list_charts(job_id: str, parts: PartsDep) -> Response:
    """List a job's charts."""
    record = await jobs.find(parts, job_id)
    found = await run_in_threadpool(charts.entries, parts.jobs, record)
    return json_answer(_ENTRIES.dump_json(found))


@router.get(
    "/jobs/{job_id}/charts/{name}",
    response_model=dict[str, Any],
    responses={
        200: {
            "description": "The chart: Vega-Lite with its data, or a picture, by Accept",
            "content": CHART_CONTENT,
            "headers": headers(*CHART_HEADERS),
        },
        304: {"description": "The client has the chart", "headers": headers("ETag")},
        **responses(
            ProblemCode.NOT_FOUND,
            ProblemCode.NOT_ACCEPTABLE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def read_chart(
    job_id: str,
    name: str,
    parts: PartsDep,
    query: Annotated[LookQuery, Query()],
    accept: Accept = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read a chart: its Vega-Lite definition with the data, SVG, or PNG."""
    record = await jobs.find(parts, job_id)
    look = wanted(query, accept or ())
    return await chart_answer(parts, record, charts.named(name), look, if_none_match)


def wanted(query: LookQuery, accept: Sequence[str]) -> Look:
    """What is asked for; raises ApiProblem: not-acceptable, and invalid-request for its size."""
    media_type = negotiate(accept, charts.OFFERED)
    if media_type is None:
        detail = f"A chart comes as {', '.join(charts.OFFERED)}; name one of them in Accept."
        raise ApiProblem(ProblemCode.NOT_ACCEPTABLE, detail, status=HTTPStatus.NOT_ACCEPTABLE)
    return charts.bounded(Look(media_type=media_type, **query.model_dump()))


async def chart_answer(
    parts: Parts, record: JobRecord, name: ChartName, look: Look, if_none_match: str | None
) -> Response:
    """A chart of a job, or that the client has it."""
    meta = chart_headers(charts.tag(look, name, record), look, name)
    if matches(if_none_match, meta["ETag"]):
        return not_modified(meta)
    content = await charts.chart_of(parts, record, name, look)
    return Response(content, headers=meta, media_type=look.media_type)


def chart_headers(tag: str, look: Look, name: str) -> dict[str, str]:
    """What goes with a chart. An SVG may be opened as a page of this origin: it may do nothing."""
    meta = {"ETag": tag, "Vary": "Accept", "Cache-Control": "no-cache"}
    if look.media_type in _SUFFIXES:
        meta["Content-Disposition"] = f'inline; filename="{name}.{_SUFFIXES[look.media_type]}"'
        meta["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        meta["X-Content-Type-Options"] = "nosniff"
    return meta
