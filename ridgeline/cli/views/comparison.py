"""Jobs beside each other."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ridgeline.api.comparison import ComparedJob, Comparison, Difference
from ridgeline.cli.figures import NOTHING, number, plural, short
from ridgeline.cli.printing import Alignment, add_row, listing, styled
from ridgeline.cli.views.facts import headed
from ridgeline.cli.views.jobs import status_text
from ridgeline.cli.views.plots import Line, Panel, plotted

LOSS = "loss"
_ROWS = 16
#: Of the losses, what is shown of the training and of the validation rows.
_MEASURES = {LOSS: "data_loss"}
#: Parts of the rows that were not trained on: a best value there says something.
_HELD_OUT = ("val_", "test_")
#: What is neither good nor bad: penalties, and the loss that holds them.
_NOT_JUDGED = ("loss", "penalty")
#: What is better the less there is of it.
_LESS = ("loss", "error", "entropy", "divergence", "hinge")


def comparison_page(comparison: Comparison) -> Iterator[RenderableType]:
    """The jobs, what their specs say differently, and what came of it."""
    yield _jobs(comparison.jobs)
    if comparison.differences:
        yield headed("What their specs say differently", _differences(comparison))
    else:
        yield headed("What their specs say differently", "Nothing.")
    if comparison.differences_left_out:
        yield f"and {plural(comparison.differences_left_out, 'difference')} more"
    if any(job.metrics for job in comparison.jobs):
        yield headed("Last epoch", _metrics(comparison.jobs))


def comparison_plot(
    comparison: Comparison, measure: str, console: Console
) -> Iterator[RenderableType]:
    """The curves of the validation rows over each other; without such rows, the training's."""
    name = _MEASURES.get(measure, measure)
    names = {job.id: job.name for job in comparison.jobs}
    for series in (f"val_{name}", name):
        lines = [
            Line(f"{short(job_id)} {names[job_id] or ''}".strip(), each.epoch, each.series[series])
            for job_id, each in comparison.curves.items()
            if series in each.series
        ]
        if lines:
            yield headed(series)
            yield from plotted([Panel(lines, _ROWS)], console)
            return
    known = sorted({name for each in comparison.curves.values() for name in each.series})
    yield f"None of the jobs has measured {measure}; there is {', '.join(known) or 'nothing yet'}."


def _jobs(jobs: Sequence[ComparedJob]) -> Table:
    table = listing({"id": "left", "name": "flexible", "status": "left", "verdict": "left"})
    for job in jobs:
        verdict = job.verdict.value if job.verdict else NOTHING
        add_row(table, (short(job.id), job.name or "", status_text(job.status), verdict))
    return table


def _differences(comparison: Comparison) -> Table:
    table = _beside(comparison.jobs, "wrapped", first="wrapped")
    for difference in comparison.differences:
        add_row(table, (difference.label, *(_cell(difference, job) for job in comparison.jobs)))
    return table


def _cell(difference: Difference, job: ComparedJob) -> Text:
    """A job's value, dim where its spec does not say it; `none` where there is no such place."""
    if job.id not in difference.values:
        return styled("none", "dim")
    text = _value(difference.values[job.id])
    return styled(text, "" if job.id in difference.pointers else "dim")


def _value(value: JsonValue) -> str:
    """A value as JSON; a layer as Python calls it."""
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        arguments = (f"{name}={_json(each)}" for name, each in value.items() if name != "type")
        return f"{value['type']}({', '.join(arguments)})"
    return _json(value)


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _metrics(jobs: Sequence[ComparedJob]) -> Table:
    table = _beside(jobs, "right")
    for name in dict.fromkeys(name for job in jobs for name in job.metrics):
        best = _best(name, {job.id: job.metrics.get(name) for job in jobs})
        cells = [
            styled(number(job.metrics.get(name)), "bold" if job.id in best else "") for job in jobs
        ]
        add_row(table, (name, *cells))
    return table


def _best(name: str, values: Mapping[str, float | None]) -> set[str]:
    """The jobs with the best value of a held out measure, where there is a best."""
    there = {job_id: value for job_id, value in values.items() if value is not None}
    held_out = name.startswith(_HELD_OUT) and name.partition("_")[2] not in _NOT_JUDGED
    if not held_out or len(set(there.values())) == 1:
        return set()
    less = name.endswith(_LESS)
    best = (min if less else max)(there.values(), default=None)
    return {job_id for job_id, value in there.items() if value == best}


def _beside(
    jobs: Sequence[ComparedJob], kind: Alignment, *, first: Alignment = "flexible"
) -> Table:
    columns: dict[str, Alignment] = {"": first}
    return listing(columns | dict.fromkeys((short(job.id) for job in jobs), kind))
