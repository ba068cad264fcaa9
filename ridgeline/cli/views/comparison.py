"""Jobs side by side."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ridgeline.api.comparison import ComparedJob, Comparison, Difference
from ridgeline.cli.printing import (
    NOTHING,
    Alignment,
    add_row,
    headed,
    listing,
    number,
    plural,
    styled,
)
from ridgeline.cli.references import short
from ridgeline.cli.views.jobs import status_text
from ridgeline.cli.views.plots import PlotLine, PlotPanel, plotted

LOSS = "loss"
_ROWS = 16
#: The series plotted for a measure.
_SERIES = {LOSS: "data_loss"}
#: Prefixes of measures on rows that were not trained on: only there is a best value marked.
_HELD_OUT = ("val_", "test_")
#: Measures without a better or worse: penalties, and the loss that includes them.
_NOT_JUDGED = ("loss", "penalty")
#: Endings of measures that are better when lower.
_LOWER_IS_BETTER = ("loss", "error", "entropy", "divergence", "hinge")


def comparison_page(comparison: Comparison) -> Iterator[RenderableType]:
    """The jobs, the differences between their specs, and their last measures."""
    yield _jobs(comparison.jobs)
    if comparison.differences:
        yield headed("Differences between the specs", _differences(comparison))
    else:
        yield headed("Differences between the specs", "None.")
    if comparison.differences_left_out:
        yield f"and {plural(comparison.differences_left_out, 'difference')} more"
    if any(job.metrics for job in comparison.jobs):
        yield headed("Last epoch, or the one whose weights were kept", _metrics(comparison.jobs))


def comparison_plot(
    comparison: Comparison, measure: str, console: Console
) -> Iterator[RenderableType]:
    """The curves of all jobs on the validation rows, or else on the training rows."""
    name = _SERIES.get(measure, measure)
    names = {job.id: job.name for job in comparison.jobs}
    for series in (f"val_{name}", name):
        lines = [
            PlotLine(
                f"{short(job_id)} {names[job_id] or ''}".strip(), curve.epoch, curve.series[series]
            )
            for job_id, curve in comparison.curves.items()
            if series in curve.series
        ]
        if lines:
            yield headed(series)
            yield from plotted([PlotPanel(lines, _ROWS)], console)
            return
    known = sorted({name for curve in comparison.curves.values() for name in curve.series})
    yield f"No job has measured {measure}; available: {', '.join(known) or 'nothing yet'}."


def _jobs(jobs: Sequence[ComparedJob]) -> Table:
    table = listing({"id": "left", "name": "flexible", "status": "left", "verdict": "left"})
    for job in jobs:
        verdict = job.verdict.value if job.verdict else NOTHING
        add_row(table, (short(job.id), job.name or "", status_text(job.status), verdict))
    return table


def _differences(comparison: Comparison) -> Table:
    table = _columns(comparison.jobs, "wrapped", first="wrapped")
    for difference in comparison.differences:
        add_row(table, (difference.label, *(_cell(difference, job) for job in comparison.jobs)))
    return table


def _cell(difference: Difference, job: ComparedJob) -> Text:
    """A job's value, dim if it is a default; `none` if its spec has no such member."""
    if job.id not in difference.values:
        return styled("none", "dim")
    text = _value(difference.values[job.id])
    return styled(text, "" if job.id in difference.pointers else "dim")


def _value(value: JsonValue) -> str:
    """A value as JSON; a layer as a call in Python."""
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        arguments = (f"{name}={_json(item)}" for name, item in value.items() if name != "type")
        return f"{value['type']}({', '.join(arguments)})"
    return _json(value)


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _metrics(jobs: Sequence[ComparedJob]) -> Table:
    table = _columns(jobs, "right")
    for name in dict.fromkeys(name for job in jobs for name in job.metrics):
        best = _best(name, {job.id: job.metrics.get(name) for job in jobs})
        cells = [
            styled(number(job.metrics.get(name)), "bold" if job.id in best else "") for job in jobs
        ]
        add_row(table, (name, *cells))
    return table


def _best(name: str, values: Mapping[str, float | None]) -> set[str]:
    """The jobs with the best value of a measure on held-out rows; none if all are equal."""
    finite = {job_id: value for job_id, value in values.items() if value is not None}
    held_out = name.startswith(_HELD_OUT) and name.partition("_")[2] not in _NOT_JUDGED
    if not held_out or len(set(finite.values())) == 1:
        return set()
    best = (min if name.endswith(_LOWER_IS_BETTER) else max)(finite.values(), default=None)
    return {job_id for job_id, value in finite.items() if value == best}


def _columns(
    jobs: Sequence[ComparedJob], kind: Alignment, *, first: Alignment = "flexible"
) -> Table:
    columns: dict[str, Alignment] = {"": first}
    return listing(columns | dict.fromkeys((short(job.id) for job in jobs), kind))
