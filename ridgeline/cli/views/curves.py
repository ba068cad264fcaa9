"""A job's curves in a terminal: which lines stand in which panel."""

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType

from ridgeline.api.curves import Curves
from ridgeline.cli.errors import UsageError
from ridgeline.cli.figures import number
from ridgeline.cli.printing import styled
from ridgeline.cli.views.plots import Line, Panel, plotted

_HIGH, _LOW = 16, 8
_LOSSES = ("data_loss", "val_data_loss")
_PENALTY = "penalty"
_NOT_METRICS = ("loss", "data_loss", "penalty", "gap", "learning_rate")
_PARTS = ("val_", "train_")


def curves_plot(
    curves: Curves, chart: str, console: Console, *, logarithmic: bool
) -> Iterator[RenderableType]:
    """The lines of a chart, and what they leave out.

    Raises UsageError where it cannot be drawn with characters.
    """
    if not curves.epoch:
        yield "No epoch has ended yet."
        return
    panels = [
        Panel([_line(curves, name) for name in names], rows, logarithmic)
        for names, rows in _panels(curves, chart)
        if names
    ]
    yield from plotted(panels, console)
    yield from _remarks(curves)


def _panels(curves: Curves, chart: str) -> Iterator[tuple[Sequence[str], int]]:
    there = curves.series
    if chart == "losses":
        yield [name for name in _LOSSES if name in there], _HIGH
        yield [_PENALTY] if any(there.get(_PENALTY, ())) else [], _LOW
    elif chart == "accuracy":
        metrics = [name for name in there if _measure(name) not in _NOT_METRICS]
        yield metrics, _HIGH
    elif chart == "penalty":
        yield [f"{_PENALTY}/{name}" for name in curves.penalty_by_layer] or [_PENALTY], _HIGH
    elif chart == "learning_rate":
        yield ["learning_rate"], _LOW
    else:
        raise UsageError(f"{chart} cannot be drawn with characters; use --png FILE or --svg FILE")


def _line(curves: Curves, name: str) -> Line:
    by_layer = name.removeprefix(f"{_PENALTY}/")
    values = curves.series.get(name, curves.penalty_by_layer.get(by_layer, ()))
    return Line(name, curves.epoch, values or (None,) * len(curves.epoch))


def _remarks(curves: Curves) -> Iterator[RenderableType]:
    measured = zip(curves.series.get("val_data_loss", ()), curves.epoch, strict=False)
    found = [(value, epoch) for value, epoch in measured if value is not None]
    if found:
        value, epoch = min(found)
        yield f"val_data_loss is least at epoch {epoch}: {number(value)}"
    for name, epochs in curves.nonfinite.items():
        yield styled(f"{name} was not finite from epoch {epochs[0]} on", "red")


def _measure(name: str) -> str:
    for part in _PARTS:
        name = name.removeprefix(part)
    return name
