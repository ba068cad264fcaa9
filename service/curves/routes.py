"""/jobs/{id}/curves and /jobs/{id}/charts: the losses as data, as Vega-Lite, as pictures."""

from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ridgeline.api.curves import ChartEntry, ChartName, Curves, Theme
from ridgeline.api.problems import ProblemCode
from ridgeline.charts import HEIGHT, WIDTH
from ridgeline.storage import JobRecord
from ridgeline.storage.records.thinning import MIN_POINTS
from service.curves import rules as curves
from service.curves.rules import PICTURES, PNG, SVG, VEGA_LITE, ChartRequest
from service.http.documentation import headers
from service.http.problems import not_acceptable, responses
from service.http.representations import json_answer, not_modified
from service.http.requests import matches, negotiate
from service.jobs import rules as jobs
from service.services import Services, ServicesDep

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
CURVE_TYPES = (JSON, CSV, NDJSON, *PICTURES)

_VARY = {"Vary": "Accept"}
_ENTRIES = TypeAdapter(list[ChartEntry])
_SUFFIXES = {SVG: "svg", PNG: "png"}
_STRING: dict[str, Any] = {"type": "string"}
PICTURE_CONTENT: dict[str, Any] = {
    SVG: {"schema": _STRING},
    PNG: {"schema": {**_STRING, "format": "binary"}},
}
CHART_CONTENT: dict[str, Any] = {VEGA_LITE: {"schema": {"type": "object"}}, **PICTURE_CONTENT}
CHART_HEADERS = ("ETag", "Vary", "Cache-Control")

router = APIRouter()

Accept = Annotated[list[str] | None, Header(include_in_schema=False)]
IfNoneMatch = Annotated[str | None, Header(description="Entity tags that the client has.")]
MaxPoints = Annotated[
    int | None,
    Query(
        ge=MIN_POINTS,
        le=curves.MAX_POINTS,
        description="At most so many epochs: the first, the last, and where any series is extreme.",
    ),
]


class ChartQuery(BaseModel):
    """The appearance of a chart."""

    model_config = ConfigDict(extra="forbid")

    theme: Theme = "light"
    width: Annotated[int, Field(ge=240, le=2400, description="Of the picture, in pixels.")] = WIDTH
    height: Annotated[int, Field(ge=180, le=1600, description="Of the picture, in pixels.")] = (
        HEIGHT
    )
    scale: Annotated[
        float,
        Field(ge=0.5, le=4, allow_inf_nan=False, description="Multiplies the pixels of a PNG."),
    ] = 1.0
    max_points: Annotated[
        int,
        Field(
            ge=MIN_POINTS,
            le=curves.MOST_POINTS,
            description="At most so many epochs, the extremes among them.",
        ),
    ] = curves.POINTS


@router.get(
    "/jobs/{job_id}/curves",
    response_model=Curves,
    tags=["curves"],
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
    services: ServicesDep,
    max_points: MaxPoints = None,
    accept: Accept = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the curves so far: JSON, CSV, an EpochRow a line, or a picture of the losses."""
    media_type = negotiate(accept or (), CURVE_TYPES)
    if media_type is None:
        raise not_acceptable("The curves are", CURVE_TYPES)
    # The job is read first: if it has ended, the curves read afterwards are complete.
    record = await jobs.find(services, job_id)
    if media_type in PICTURES:
        query = ChartQuery(max_points=min(max_points or curves.POINTS, curves.MOST_POINTS))
        request = ChartRequest(media_type=media_type, **query.model_dump())
        return await _chart(services, record, "losses", request, if_none_match)
    async with services.curves:
        return await run_in_threadpool(_curves, services, record, max_points, media_type)


@router.get(
    "/jobs/{job_id}/charts",
    response_model=list[ChartEntry],
    tags=["charts"],
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
async def list_charts(job_id: str, services: ServicesDep) -> Response:
    """List a job's charts."""
    record = await jobs.find(services, job_id)
    entries = await run_in_threadpool(curves.entries, services.jobs, record)
    return json_answer(_ENTRIES.dump_json(entries))


@router.get(
    "/jobs/{job_id}/charts/{name}",
    response_model=dict[str, Any],
    tags=["charts"],
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
    services: ServicesDep,
    query: Annotated[ChartQuery, Query()],
    accept: Accept = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read a chart: its Vega-Lite definition with the data, SVG, or PNG."""
    record = await jobs.find(services, job_id)
    media_type = negotiate(accept or (), curves.OFFERED)
    if media_type is None:
        raise not_acceptable("A chart is", curves.OFFERED)
    request = curves.bounded(ChartRequest(media_type=media_type, **query.model_dump()))
    return await _chart(services, record, curves.named(name), request, if_none_match)


def chart_headers(tag: str, request: ChartRequest, name: str) -> dict[str, str]:
    """The headers of a chart. An SVG opened as a page of this origin must be inert."""
    meta = {"ETag": tag, "Vary": "Accept", "Cache-Control": "no-cache"}
    if request.media_type in _SUFFIXES:
        meta["Content-Disposition"] = f'inline; filename="{name}.{_SUFFIXES[request.media_type]}"'
        meta["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        meta["X-Content-Type-Options"] = "nosniff"
    return meta


async def _chart(
    services: Services,
    record: JobRecord,
    name: ChartName,
    request: ChartRequest,
    if_none_match: str | None,
) -> Response:
    """A chart of a job; 304 if the client has it."""
    meta = chart_headers(curves.tag(request, name, record), request, name)
    if matches(if_none_match, meta["ETag"]):
        return not_modified(meta)
    content = await curves.chart_of(services, record, name, request)
    return Response(content, headers=meta, media_type=request.media_type)


def _curves(
    services: Services, record: JobRecord, max_points: int | None, media_type: str
) -> Response:
    if media_type == NDJSON:
        lines = curves.lines(services.jobs, record.id, max_points)
        first = next(lines, "")  # raises before the response begins if the database is down
        return StreamingResponse(chain([first], lines), headers=_VARY, media_type=NDJSON)
    table = curves.curves(services.jobs, record.id, max_points)
    if media_type == CSV:
        return Response(curves.to_csv(table), headers=_VARY, media_type=f"{CSV}; header=present")
    content = curves.to_json(table, record.id, complete=record.status.terminal)
    return Response(content, headers=_VARY, media_type=JSON)
