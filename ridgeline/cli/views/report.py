"""A job's report on a page."""

import json
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from ridgeline.api.report import Report, Suggestion, Verdict, WeightReport
from ridgeline.cli.printing import (
    add_row,
    facts,
    headed,
    indented,
    listing,
    number,
    percent,
    styled,
)
from ridgeline.cli.references import short
from ridgeline.cli.views.jobs import measures_table
from ridgeline.spec.job_spec import PatchOperation

_STYLES = {
    Verdict.GOOD: "bold green",
    Verdict.OVERFIT: "bold yellow",
    Verdict.UNDERFIT: "bold yellow",
    Verdict.DIVERGED: "bold red",
    Verdict.UNCLEAR: "bold",
}
_MAX_VALUE_LENGTH = 60


def report_page(report: Report, job_id: str) -> Iterator[RenderableType]:
    """The verdict, the evidence for it, the figures, and suggested changes."""
    yield styled(report.verdict.value, _STYLES[report.verdict])
    for evidence in report.evidence:
        yield indented("• ", evidence.message)
    yield headed("Figures", facts(_figures(report)), measures_table(report.losses))
    if report.penalties:
        yield headed("Penalties", _penalties(report))
    if report.weights:
        yield headed("Weights", _weights(report.weights))
    if report.nonfinite_weights:
        yield styled(f"Not finite: {', '.join(report.nonfinite_weights)}", "red")
    if report.raises:
        yield headed("Raised during training", _raises(report))
    yield headed("Suggested changes", *_suggestions(report.suggestions, job_id))


def _figures(report: Report) -> dict[str, str]:
    share = f", {percent(report.gap_share)} of the reference" if report.gap_share else ""
    return {
        "epochs": str(report.epochs),
        "best epoch": "" if report.best_epoch is None else str(report.best_epoch),
        "kept epoch": "" if report.kept_epoch is None else str(report.kept_epoch),
        "gap": "" if report.gap is None else f"{number(report.gap)}{share}",
        "reference": "" if report.reference is None else number(report.reference),
        "penalty": ""
        if report.penalty_share is None
        else f"{percent(report.penalty_share)} of the loss",
    }


def _penalties(report: Report) -> RenderableType:
    table = listing({"on": "flexible", "kind": "left", "value": "right", "of the loss": "right"})
    for penalty in report.penalties:
        where = f"{penalty.layer}/{penalty.weight}"
        add_row(table, (where, penalty.kind, number(penalty.value), percent(penalty.share)))
    return table


def _weights(weights: Sequence[WeightReport]) -> RenderableType:
    table = listing(
        {
            "weight": "flexible",
            "shape": "left",
            "L1": "right",
            "L2": "right",
            "zero": "right",
            "nearly zero": "right",
            "idle units": "right",
        }
    )
    for weight in weights:
        add_row(
            table,
            (
                f"{weight.layer}/{weight.name}",
                "×".join(map(str, weight.shape)),
                number(weight.l1_norm),
                number(weight.l2_norm),
                percent(weight.zero_share),
                percent(weight.nearly_zero_share),
                "" if weight.units is None else f"{weight.negligible_units} of {weight.units}",
            ),
        )
    return table


def _raises(report: Report) -> RenderableType:
    table = listing({"after epoch": "right", "what": "left", "from": "right", "to": "right"})
    for change in report.raises:
        cells = (str(change.epoch), change.what, number(change.before), number(change.after))
        add_row(table, cells)
    return table


def _suggestions(suggestions: Sequence[Suggestion], job_id: str) -> Iterator[RenderableType]:
    if not suggestions:
        yield "None."
        return
    for suggestion in suggestions:
        yield Text.assemble(
            styled(suggestion.id, "bold cyan"), ": ", styled(suggestion.message, "")
        )
        for operation in suggestion.patch:
            yield styled(f"    {_operation(operation)}", "")
        yield styled(f"    {suggestion.source}", "dim")
    change = f"ridgeline report {short(job_id)} --apply {suggestions[0].id}"
    which = "the first change" if len(suggestions) > 1 else "this change"
    yield f"To train with {which}:"
    yield styled(f"    {change} | ridgeline submit -", "")


def _operation(operation: PatchOperation) -> str:
    value = json.dumps(operation.value, ensure_ascii=False)
    shown = value if len(value) <= _MAX_VALUE_LENGTH else f"{value[:_MAX_VALUE_LENGTH]}…"
    return f"{operation.op} {operation.path} = {shown}"
