"""The curves of a job as columns, JSON, CSV and lines, and its charts, drawn in another process.

The rows of a long job would take hundreds of megabytes as objects; columns of numbers take eight
bytes a value. A test compares the JSON with the API's own model.
"""

import hashlib
import io
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.concurrency import run_in_threadpool

from ridgeline.api.curves import ChartEntry, ChartName, Curves, EpochRow, Theme, columns, write_csv
from ridgeline.api.report import Report
from ridgeline.charts import CHARTS, TITLES, chart, has_data
from ridgeline.spec.faults import Fault
from ridgeline.storage import JobRecord, JobStore
from ridgeline.version import VERSION
from service.curves.renderer import Renderer
from service.errors import InvalidRequest, UnknownChart
from service.http.representations import job_path
from service.services import Services

MAX_POINTS = 10_000
Columns = dict[str, "array[float]"]
VEGA_LITE = "application/vnd.vegalite+json"
JSON = "application/json"
SVG = "image/svg+xml"
PNG = "image/png"
PICTURES = (SVG, PNG)
OFFERED = (VEGA_LITE, JSON, *PICTURES)
POINTS = 500
"""How many epochs a chart shows by default: about one per 1.5 pixels."""
MOST_POINTS = 2000
MOST_PIXELS = 16_000_000
"""The limit of a PNG; the process that draws it needs about eight bytes for each."""


@dataclass(frozen=True)
class CurveTable:
    """Curves as columns; NaN stands for the API's null."""

    epoch: "array[int]" = field(default_factory=lambda: array("q"))
    series: Columns = field(default_factory=dict)
    penalty_by_layer: Columns = field(default_factory=dict)
    nonfinite: dict[str, list[int]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add an epoch, given as a parsed EpochRow."""
        count = len(self.epoch)
        _append(self.series, row["values"], count)
        _append(self.penalty_by_layer, row["penalty_by_layer"], count)
        for name in row["nonfinite"]:
            self.nonfinite.setdefault(name, []).append(row["epoch"])
        self.epoch.append(row["epoch"])


def curves(jobs: JobStore, job_id: str, max_points: int | None) -> CurveTable:
    """The curves of the job, thinned to `max_points` epochs at most."""
    return table_of(text for page in _pages(jobs, job_id, max_points) for text in page)


def lines(jobs: JobStore, job_id: str, max_points: int | None) -> Iterator[str]:
    """The epochs of the curves as lines of JSON, several at a time."""
    for page in _pages(jobs, job_id, max_points):
        yield "".join(f"{text}\n" for text in page)


def table_of(texts: Iterable[str]) -> CurveTable:
    """The columns of epochs, each given as the JSON of an EpochRow."""
    table = CurveTable()
    for text in texts:
        table.add(json.loads(text))
    return table


def to_json(table: CurveTable, job_id: str, *, complete: bool) -> bytes:
    """Curves of the API, serialized."""
    members = (
        ("job_id", json.dumps(job_id)),
        ("complete", json.dumps(complete)),
        ("epoch", _list(map(str, table.epoch))),
        ("series", _columns_json(table.series)),
        ("penalty_by_layer", _columns_json(table.penalty_by_layer)),
        ("nonfinite", _object((name, _list(map(str, e))) for name, e in table.nonfinite.items())),
    )
    return _object(members).encode()


def to_csv(table: CurveTable) -> str:
    """See write_csv(); lines end as RFC 4180 wants it."""
    out = io.StringIO(newline="")
    write_csv(table, out, line_end="\r\n")
    return out.getvalue()


def _pages(jobs: JobStore, job_id: str, max_points: int | None) -> Iterator[list[str]]:
    if max_points is None:
        return jobs.epoch_pages(job_id)
    return iter([jobs.thinned_epochs(job_id, max_points)])


def _append(columns: Columns, values: Mapping[str, float | None], count: int) -> None:
    """Append a value to each column; all columns have `count` values before."""
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            column = columns[name] = array("d", [math.nan]) * count
        column.append(math.nan if value is None else value)
    if len(values) < len(columns):
        for column in columns.values():
            if len(column) == count:
                column.append(math.nan)


def _columns_json(columns: Columns) -> str:
    return _object(
        (name, _list("null" if math.isnan(value) else repr(value) for value in column))
        for name, column in columns.items()
    )


def _list(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"


def _object(members: Iterable[tuple[str, str]]) -> str:
    """A JSON object of serialized values."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


@dataclass(frozen=True, kw_only=True)
class ChartRequest:
    """The form and appearance in which a chart is requested."""

    media_type: str
    theme: Theme
    width: int
    height: int
    scale: float
    max_points: int

    @property
    def interactive(self) -> bool:
        """Whether it will be drawn where there is a pointer."""
        return self.media_type not in PICTURES


def named(name: str) -> ChartName:
    """The chart of this name; raises UnknownChart."""
    for known in CHARTS:
        if known == name:
            return known
    raise UnknownChart(CHARTS)


def bounded(request: ChartRequest) -> ChartRequest:
    """The request itself; raises InvalidRequest if the picture would be too large."""
    pixels = round(request.width * request.scale) * round(request.height * request.scale)
    if request.media_type != PNG or pixels <= MOST_PIXELS:
        return request
    detail = (
        f"received a size of {pixels:,} pixels, expected at most {MOST_PIXELS:,}; request a smaller"
        " width, height or scale, or SVG"
    )
    fault = Fault(pointer="?scale", detail=detail, rule="too-many-pixels")
    raise InvalidRequest([fault])


def entries(jobs: JobStore, record: JobRecord) -> list[ChartEntry]:
    """The charts of a job, each with whether it has data yet."""
    rows = [
        EpochRow.model_validate_json(text)
        for text in jobs.epochs_at(record.id, [record.progress_epoch])
    ]
    newest, report = columns(record.id, rows, complete=False), _report(jobs, record)
    return [
        ChartEntry(
            name=name,
            title=TITLES[name],
            href=job_path(record.id, "charts", name),
            available=has_data(name, newest, report),
        )
        for name in CHARTS
    ]


def tag(request: ChartRequest, what: str, *records: JobRecord) -> str:
    """The entity tag of a chart of these jobs.

    An ended job never changes. The tag of others is weak: an epoch may be added between the tag and
    the chart.
    """
    known = [VERSION, what, repr(request), *(f"{record.id} {record.version}" for record in records)]
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]
    ended = all(record.status.terminal for record in records)
    return f'"{digest}"' if ended else f'W/"{digest}"'


async def chart_of(
    services: Services, record: JobRecord, name: ChartName, request: ChartRequest
) -> bytes:
    """A job's chart; raises RendererBusy and RenderingFailed."""
    async with services.curves:
        spec = await run_in_threadpool(_spec, services.jobs, record, name, request)
    return await drawn(services.renderer, spec, request)


async def drawn(renderer: Renderer, spec: Mapping[str, Any], request: ChartRequest) -> bytes:
    """The chart in the requested form; raises RendererBusy and RenderingFailed."""
    if request.media_type not in PICTURES:
        return _dumped(spec)
    picture = "png" if request.media_type == PNG else "svg"
    return await renderer.render(_dumped({"format": picture, "scale": request.scale, "spec": spec}))


def _spec(
    jobs: JobStore, record: JobRecord, name: ChartName, request: ChartRequest
) -> dict[str, Any]:
    if name == "weights":
        of_job, report = (
            columns(record.id, [], complete=record.status.terminal),
            _report(jobs, record),
        )
    else:
        of_job, report = _curves_of(jobs, record, request.max_points), None
    return chart(
        name,
        of_job,
        report,
        theme=request.theme,
        width=request.width,
        height=request.height,
        heading=record.name,
        interactive=request.interactive,
    )


def _curves_of(jobs: JobStore, record: JobRecord, max_points: int) -> Curves:
    """The job's curves as the API has them."""
    table = curves(jobs, record.id, max_points)
    content = to_json(table, record.id, complete=record.status.terminal)
    return Curves.model_validate_json(content)


def _report(jobs: JobStore, record: JobRecord) -> Report | None:
    text = jobs.report(record.id) if record.status.terminal else None
    return None if text is None else Report.model_validate_json(text)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
