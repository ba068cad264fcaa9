"""Lines drawn with characters."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ridgeline.cli.errors import CommandError
from ridgeline.cli.figures import number, printable

#: Colours that the colour-blind tell apart, as numbers of the 256; and marks where there are none.
_COLOURS = (33, 208, 35, 170, 220, 81, 161, 245)
_MARKS = "•×+o*#@%"
_WIDTH = 80
_WIDEST = 160
_TICKS = 5
_TICK_WIDTH = 9
#: The logarithm of what a float64 still holds.
_LARGEST = 308


@dataclass(frozen=True)
class Line:
    """Values over epochs; None is a gap."""

    name: str
    epochs: Sequence[int]
    values: Sequence[float | None]


@dataclass(frozen=True)
class Panel:
    """Lines with an axis of their own, so many rows high."""

    lines: Sequence[Line]
    rows: int
    logarithmic: bool = False


def plotted(panels: Sequence[Panel], console: Console) -> Iterator[RenderableType]:
    """The panels, one below the other, each with its legend above it.

    Raises CommandError where plotext cannot draw on this machine.
    """
    colours = console.color_system is not None and not console.no_color
    width = min(console.width, _WIDEST) if console.is_terminal else _WIDTH
    for panel in panels:
        yield _legend(panel, width, colours=colours)
        yield Text.from_ansi(_drawn(panel, width, colours=colours), no_wrap=True)


def _legend(panel: Panel, width: int, *, colours: bool) -> Text:
    """The lines' names with their marks, below each other where they do not fit beside."""
    names = []
    for place, line in enumerate(panel.lines):
        mark = "━━" if colours else _mark(place)
        style = f"color({_colour(place)})" if colours else ""
        names.append(Text.assemble((f"{mark} ", style), printable(line.name)))
    if panel.logarithmic:
        names.append(Text("(logarithmic)"))
    indent = " " * (_TICK_WIDTH + 2)
    beside = Text(indent) + Text("  ").join(names)
    if beside.cell_len <= width:
        return beside
    return Text("\n").join([Text(indent) + name for name in names])


def _drawn(panel: Panel, width: int, *, colours: bool) -> str:
    # Here, for it takes longer to import than the rest of a plot takes.
    try:
        import plotext  # noqa: PLC0415
    except ImportError as error:
        raise CommandError(f"{error}\nor have the picture drawn: --png FILE") from error
    lines = [_points(line, logarithmic=panel.logarithmic) for line in panel.lines]
    shown = [value for _, values in lines for value in values]
    figure = plotext.figure
    figure.clear()
    figure.theme("simple" if colours else "colorless")
    figure.plot_size(width, panel.rows)
    for place, (epochs, values) in enumerate(lines):
        if not epochs:
            continue
        marker = plotext.marker("braille", _colour(place)) if colours else _mark(place)
        figure.draw(figure.signal(epochs, values, marker=marker).lines())
    if shown:
        _set_axes(figure, [epoch for epochs, _ in lines for epoch in epochs], shown, panel)
    return str(figure.build().string(not colours)).rstrip("\n")


def _set_axes(figure: Any, epochs: list[int], values: list[float], panel: Panel) -> None:
    across, up = figure.ruler("x"), figure.ruler("y")
    first, last = min(epochs), max(epochs)
    count = min(_TICKS, last - first)
    between = {first + round(i * (last - first) / count) for i in range(1, count)}
    at = sorted({first, *between, last})
    across.ticks(at, [str(epoch) for epoch in at])
    least, most = min(values), max(values)
    if least == most:
        margin = 0.5 if panel.logarithmic else abs(least) / 2 or 1.0
        least, most = least - margin, most + margin
    up.lim(least, most)
    steps = min(_TICKS, panel.rows // 2) - 1
    ticks = [least * (1 - i / steps) + most * (i / steps) for i in range(steps + 1)]
    labels = [number(10.0 ** min(tick, _LARGEST) if panel.logarithmic else tick) for tick in ticks]
    up.ticks(ticks, [label.rjust(_TICK_WIDTH) for label in labels])


def _points(line: Line, *, logarithmic: bool) -> tuple[list[int], list[float]]:
    """The points there are; the logarithm of a number has to be one."""
    pairs = [
        (epoch, math.log10(value) if logarithmic else value)
        for epoch, value in zip(line.epochs, line.values, strict=True)
        if value is not None and (value > 0 or not logarithmic)
    ]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def _colour(place: int) -> int:
    return _COLOURS[place % len(_COLOURS)]


def _mark(place: int) -> str:
    return _MARKS[place % len(_MARKS)]
