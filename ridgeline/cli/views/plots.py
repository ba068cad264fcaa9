"""A job's curves as plots of characters."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ridgeline.api.curves import Curves
from ridgeline.cli.errors import CommandError, UsageError
from ridgeline.cli.printing import number, printable, styled

#: Colors that color-blind people can distinguish, of the 256; and marks for terminals without any.
_COLORS = (33, 208, 35, 170, 220, 81, 161, 245)
_MARKS = "•×+o*#@%"
_WIDTH = 80
_MAX_WIDTH = 160
_TICKS = 5
_TICK_WIDTH = 9
#: The largest exponent of a float64.
_MAX_EXPONENT = 308
_HIGH, _LOW = 16, 8
_LOSSES = ("data_loss", "val_data_loss")
_PENALTY = "penalty"
_NOT_METRICS = ("loss", "data_loss", "penalty", "gap", "learning_rate")
_PREFIXES = ("val_", "train_")


@dataclass(frozen=True)
class PlotLine:
    """Values over epochs; None is a gap."""

    name: str
    epochs: Sequence[int]
    values: Sequence[float | None]


@dataclass(frozen=True)
class PlotPanel:
    """Lines with an axis of their own, and the height in rows."""

    lines: Sequence[PlotLine]
    rows: int
    logarithmic: bool = False


def curves_plot(
    curves: Curves, chart: str, console: Console, *, logarithmic: bool
) -> Iterator[RenderableType]:
    """The panels of a chart, then the best epoch and series that were not finite.

    Raises UsageError if the chart cannot be drawn with characters.
    """
    if not curves.epoch:
        yield "No epoch has ended yet."
        return
    panels = [
        PlotPanel([_line(curves, name) for name in names], rows, logarithmic)
        for names, rows in _panels(curves, chart)
        if names
    ]
    yield from plotted(panels, console)
    yield from _remarks(curves)


def _panels(curves: Curves, chart: str) -> Iterator[tuple[Sequence[str], int]]:
    """The series of each panel, and its height."""
    available = curves.series
    if chart == "losses":
        yield [name for name in _LOSSES if name in available], _HIGH
        yield [_PENALTY] if any(available.get(_PENALTY, ())) else [], _LOW
    elif chart == "accuracy":
        metrics = [name for name in available if _measure(name) not in _NOT_METRICS]
        yield metrics, _HIGH
    elif chart == "penalty":
        yield [f"{_PENALTY}/{name}" for name in curves.penalty_by_layer] or [_PENALTY], _HIGH
    elif chart == "learning_rate":
        yield ["learning_rate"], _LOW
    else:
        raise UsageError(f"{chart} cannot be drawn with characters; use --png FILE or --svg FILE")


def _line(curves: Curves, name: str) -> PlotLine:
    by_layer = name.removeprefix(f"{_PENALTY}/")
    values = curves.series.get(name, curves.penalty_by_layer.get(by_layer, ()))
    return PlotLine(name, curves.epoch, values or (None,) * len(curves.epoch))


def _remarks(curves: Curves) -> Iterator[RenderableType]:
    measured = zip(curves.series.get("val_data_loss", ()), curves.epoch, strict=False)
    finite = [(value, epoch) for value, epoch in measured if value is not None]
    if finite:
        value, epoch = min(finite)
        yield f"val_data_loss lowest at epoch {epoch}: {number(value)}"
    for name, epochs in curves.nonfinite.items():
        yield styled(f"{name} not finite from epoch {epochs[0]} on", "red")


def _measure(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def plotted(panels: Sequence[PlotPanel], console: Console) -> Iterator[RenderableType]:
    """The panels one below the other, each below its legend.

    Raises CommandError if plotext does not work on this machine.
    """
    colors = console.color_system is not None and not console.no_color
    width = min(console.width, _MAX_WIDTH) if console.is_terminal else _WIDTH
    for panel in panels:
        yield _legend(panel, width, colors=colors)
        yield Text.from_ansi(_drawn(panel, width, colors=colors), no_wrap=True)


def _legend(panel: PlotPanel, width: int, *, colors: bool) -> Text:
    """The lines' marks and names, on one line if they fit, or else one below the other."""
    names = []
    for index, line in enumerate(panel.lines):
        mark = "━━" if colors else _mark(index)
        style = f"color({_color(index)})" if colors else ""
        names.append(Text.assemble((f"{mark} ", style), printable(line.name)))
    if panel.logarithmic:
        names.append(Text("(logarithmic)"))
    indent = " " * (_TICK_WIDTH + 2)
    one_line = Text(indent) + Text("  ").join(names)
    if one_line.cell_len <= width:
        return one_line
    return Text("\n").join([Text(indent) + name for name in names])


def _drawn(panel: PlotPanel, width: int, *, colors: bool) -> str:
    # Here, because its import takes longer than the rest of a plot.
    try:
        import plotext  # noqa: PLC0415
    except ImportError as error:
        raise CommandError(f"{error}\nor write a picture: --png FILE") from error
    lines = [_points(line, logarithmic=panel.logarithmic) for line in panel.lines]
    drawn_values = [value for _, values in lines for value in values]
    figure = plotext.figure
    figure.clear()
    figure.theme("simple" if colors else "colorless")
    figure.plot_size(width, panel.rows)
    for index, (epochs, values) in enumerate(lines):
        if not epochs:
            continue
        marker = plotext.marker("braille", _color(index)) if colors else _mark(index)
        figure.draw(figure.signal(epochs, values, marker=marker).lines())
    if drawn_values:
        _set_axes(figure, [epoch for epochs, _ in lines for epoch in epochs], drawn_values, panel)
    return str(figure.build().string(not colors)).rstrip("\n")


def _set_axes(figure: Any, epochs: list[int], values: list[float], panel: PlotPanel) -> None:
    horizontal, vertical = figure.ruler("x"), figure.ruler("y")
    first, last = min(epochs), max(epochs)
    count = min(_TICKS, last - first)
    between = {first + round(i * (last - first) / count) for i in range(1, count)}
    at = sorted({first, *between, last})
    horizontal.ticks(at, [str(epoch) for epoch in at])
    least, most = min(values), max(values)
    if least == most:
        margin = 0.5 if panel.logarithmic else abs(least) / 2 or 1.0
        least, most = least - margin, most + margin
    vertical.lim(least, most)
    steps = min(_TICKS, panel.rows // 2) - 1
    ticks = [least * (1 - i / steps) + most * (i / steps) for i in range(steps + 1)]
    shown = [10.0 ** min(tick, _MAX_EXPONENT) if panel.logarithmic else tick for tick in ticks]
    vertical.ticks(ticks, [number(value).rjust(_TICK_WIDTH) for value in shown])


def _points(line: PlotLine, *, logarithmic: bool) -> tuple[list[int], list[float]]:
    """The points of a line; on a logarithmic axis only positive values."""
    pairs = [
        (epoch, math.log10(value) if logarithmic else value)
        for epoch, value in zip(line.epochs, line.values, strict=True)
        if value is not None and (value > 0 or not logarithmic)
    ]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def _color(index: int) -> int:
    return _COLORS[index % len(_COLORS)]


def _mark(index: int) -> str:
    return _MARKS[index % len(_MARKS)]
