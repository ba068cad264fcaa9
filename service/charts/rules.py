"""The charts of a job: put together, and drawn in another process."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool

from ridgeline.api.curves import ChartEntry, ChartName, Curves, EpochRow, Theme, columns
from ridgeline.api.problems import ProblemCode
from ridgeline.api.report import Report
from ridgeline.charts import CHARTS, TITLES, chart, has_data
from ridgeline.spec.faults import Fault
from ridgeline.storage import JobRecord, JobStore
from ridgeline.version import VERSION
from service.charts.rendering import Renderer, RendererBusy, RenderingFailed
from service.curves import rules as curves
from service.http.problems import RETRY_AFTER_S, ApiProblem, not_found
from service.http.representations import job_path
from service.services import Parts

VEGA_LITE = "application/vnd.vegalite+json"
JSON = "application/json"
SVG = "image/svg+xml"
PNG = "image/png"
PICTURES = (SVG, PNG)
OFFERED = (VEGA_LITE, JSON, *PICTURES)

POINTS = 500
"""How many epochs a chart shows unless asked otherwise: about one a pixel and a half."""
MOST_POINTS = 2000
MOST_PIXELS = 16_000_000
"""Of a PNG; the process that draws it needs eight bytes or so for each."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a chart is asked for."""

    media_type: str
    theme: Theme
    width: int
    height: int
    scale: float
    max_points: int

    @property
    def interactive(self) -> bool:
        """Whether something will draw it that has a pointer."""
        return self.media_type not in PICTURES


def named(name: str) -> ChartName:
    """The chart of this name; raises ApiProblem: not-found."""
    for known in CHARTS:
        if known == name:
            return known
    raise not_found(f"No chart has this name; there are {', '.join(CHARTS)}.")


def bounded(look: Look) -> Look:
    """The look itself; raises ApiProblem (invalid-request) where the picture would be too large."""
    pixels = round(look.width * look.scale) * round(look.height * look.scale)
    if look.media_type != PNG or pixels <= MOST_PIXELS:
        return look
    detail = (
        f"a picture of {pixels:,} pixels was asked for, expected {MOST_PIXELS:,} at most; ask for a"
        " smaller width, height or scale, or for SVG"
    )
    fault = Fault(pointer="?scale", detail=detail, rule="too-many-pixels")
    raise ApiProblem(
        ProblemCode.INVALID_REQUEST, "See `errors`; `?name` is a query parameter.", errors=[fault]
    )


def entries(jobs: JobStore, record: JobRecord) -> list[ChartEntry]:
    """The charts of a job, and which of them have something to draw."""
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


def tag(look: Look, what: str, *records: JobRecord) -> str:
    """The entity tag of a chart of these jobs.

    An ended job never changes. Of others it is weak: an epoch may come between the tag and the
    chart.
    """
    known = [VERSION, what, repr(look), *(f"{record.id} {record.version}" for record in records)]
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()[:32]
    ended = all(record.status.terminal for record in records)
    return f'"{digest}"' if ended else f'W/"{digest}"'


async def chart_of(parts: Parts, record: JobRecord, name: ChartName, look: Look) -> bytes:
    """A job's chart; raises ApiProblem (unavailable) while too many pictures wait."""
    async with parts.curves:
        spec = await run_in_threadpool(_spec, parts.jobs, record, name, look)
    return await drawn(parts.renderer, spec, look)


async def drawn(renderer: Renderer, spec: Mapping[str, Any], look: Look) -> bytes:
    """The chart in the form that is asked for."""
    if look.media_type not in PICTURES:
        return _dumped(spec)
    picture = "png" if look.media_type == PNG else "svg"
    try:
        return await renderer.render(
            _dumped({"format": picture, "scale": look.scale, "spec": spec})
        )
    except RendererBusy:
        detail = "As many pictures are being drawn as may wait; ask again in a moment."
    except RenderingFailed as error:
        logger.error("a chart could not be drawn: %s", error)  # noqa: TRY400 - no trace of ours
        detail = "The process that draws pictures has failed; the log says more. Ask again."
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    raise ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers)


def _spec(jobs: JobStore, record: JobRecord, name: ChartName, look: Look) -> dict[str, Any]:
    if name == "weights":
        found, report = (
            columns(record.id, [], complete=record.status.terminal),
            _report(jobs, record),
        )
    else:
        found, report = curves_of(jobs, record, look.max_points), None
    return chart(
        name,
        found,
        report,
        theme=look.theme,
        width=look.width,
        height=look.height,
        heading=record.name,
        interactive=look.interactive,
    )


def curves_of(jobs: JobStore, record: JobRecord, max_points: int) -> Curves:
    """The job's curves as the contract has them."""
    table = curves.curves(jobs, record.id, max_points)
    content = curves.to_json(table, record.id, complete=record.status.terminal)
    return Curves.model_validate_json(content)


def _report(jobs: JobStore, record: JobRecord) -> Report | None:
    text = jobs.report(record.id) if record.status.terminal else None
    return None if text is None else Report.model_validate_json(text)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
