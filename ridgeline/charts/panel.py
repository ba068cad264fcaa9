"""A panel of lines over epochs, from which the charts of curves are put together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ridgeline.api.curves import Theme
from ridgeline.charts.definition import NULL, Node, fill
from ridgeline.charts.measured import FEW, Column, Span, ends, isolated
from ridgeline.charts.scales import Axis
from ridgeline.charts.theme import DASHES, colour_places

ROW_HEIGHT = 18
"""Of a legend."""
WORDS_HEIGHT = 14
_BEST_WIDTH, _NONFINITE_WIDTH = 110, 95
"""How much room the words need that stand over a mark, in pixels."""
MANY = 200
"""Beyond so many epochs lines are thin, and none is dashed: dashes would be lost in the noise."""
_EPOCH_WIDTH = 56
"""How far ticks of epochs are apart at least, in pixels."""
_CHARACTER = 6.1
"""About how wide one is, in a legend."""
_SYMBOL = 42
"""How wide a legend's symbol is, with the space around it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series of a panel."""

    field: str
    """What the data set `epochs` calls it, if it is there."""
    label: str
    epochs: Sequence[int]
    values: Column
    colour: str
    dash: tuple[int, ...] = DASHES[0]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Lines over epochs, and what is marked beside them."""

    name: str
    title: str
    lines: Sequence[Line]
    axis: Axis
    share: float = 1.0
    """Of the chart's height, among the panels'."""
    gap: tuple[str, str] | None = None
    """The fields between which to shade."""
    area: Line | None = None
    """The line down from which to shade."""
    best: bool = False
    """Whether to rule the best epoch."""
    spans: Sequence[Span] = ()
    stacked: bool = False
    """Whether the lines are areas on each other."""
    legend: bool = True
    """Whether it explains its lines; one below another with the same lines need not."""
    interpolate: str = "linear"
    tooltip: Sequence[Node] = ()

    @property
    def marked(self) -> bool:
        """Whether a row of words is needed between legend and lines."""
        return self.best or bool(self.spans)

    def legend_columns(self, width: int) -> int:
        """How many labels fit beside each other."""
        longest = max((len(line.label) for line in self.lines), default=0)
        return legend_columns(longest, width - len(self.title) * _CHARACTER)

    def legend_height(self, width: int) -> int:
        """How high the legend is, with the words below it."""
        rows = -(-len(self.lines) // self.legend_columns(width)) if self.legend else 1
        return rows * ROW_HEIGHT + WORDS_HEIGHT * self.marked


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What the panels of a chart share."""

    theme: Theme
    epochs: Sequence[int]
    width: int
    best: int | None = None
    interactive: bool = True
    datasets: dict[str, Any] = field(default_factory=dict)


def draw(panel: Panel, frame: Frame, height: int, *, lowest: bool) -> Node:
    """The panel as Vega-Lite; its data go into the frame's `datasets`."""
    _add_data(panel, frame)
    first, last = ends(frame.epochs)
    shared = {
        **colour_places(frame.theme),
        "name": panel.name,
        "panel_title": None if panel.legend else _heading(panel),
        "width": frame.width,
        "height": height,
        "x_scale": {"domain": [first, last], "nice": False, "zero": False},
        "x_axis": {
            "title": "Epoch" if lowest else None,
            "format": ",d",
            "labels": lowest,
            "values": _ticks(frame.epochs, frame.width),
        },
        "y_scale": panel.axis.scale,
        "y_axis": {"title": None, "tickCount": max(2, min(6, height // 36)), **panel.axis.axis},
        "legend": _legend(panel, frame.width) if panel.legend else NULL,
        "labels": [line.label for line in panel.lines],
        "range_colours": [line.colour for line in panel.lines],
        "range_dashes": [line.dash for line in panel.lines],
        "interpolate": panel.interpolate,
        "best_align": _best_side(panel, frame),
        "nonfinite_align": _nonfinite_side(panel, frame),
        "stroke_width": 2 if len(frame.epochs) <= MANY else 1.25,
        "gap_from": panel.gap and panel.gap[0],
        "gap_to": panel.gap and panel.gap[1],
        "area": panel.area and panel.area.field,
        "area_colour": panel.area and panel.area.colour,
        "tooltip": list(panel.tooltip),
    }
    return fill("panel", shared, _absent(panel, frame))


def legend_columns(longest: int, width: float) -> int:
    """How many labels of up to `longest` characters fit beside each other."""
    return max(1, int(width / (_SYMBOL + longest * _CHARACTER)))


def epoch_rows(epochs: Sequence[int], columns: dict[str, Column]) -> list[Node]:
    """The rows of a data set: one an epoch, with the columns' values."""
    return [
        {"epoch": epoch, **{name: column[index] for name, column in columns.items() if column}}
        for index, epoch in enumerate(epochs)
    ]


def _legend(panel: Panel, width: int) -> Node:
    legend = {
        "title": panel.title,
        "columns": panel.legend_columns(width),
        "offset": 6 + WORDS_HEIGHT * panel.marked,
    }
    return {**legend, "symbolType": "square"} if panel.stacked else legend


def _heading(panel: Panel) -> Node:
    """The panel's title where no legend holds it."""
    return {"text": panel.title, "fontSize": 12, "frame": "group", "offset": 6}


def _add_data(panel: Panel, frame: Frame) -> None:
    frame.datasets[f"{panel.name}_lines"] = [
        {"epoch": epoch, "series": line.label, "value": value}
        | ({"rank": rank} if panel.stacked else {})
        for rank, line in enumerate(panel.lines)
        for epoch, value in zip(line.epochs, line.values, strict=True)
    ]
    points = [
        {"epoch": line.epochs[index], "series": line.label, "value": line.values[index]}
        for line in panel.lines
        for index in isolated(line.values, few=len(frame.epochs) <= FEW)
        if not panel.stacked
    ]
    if points:
        frame.datasets[f"{panel.name}_points"] = points
    if panel.spans:
        frame.datasets[f"{panel.name}_nonfinite"] = [span._asdict() for span in panel.spans]
        first = panel.spans[0]
        at = first.end if _nonfinite_side(panel, frame) == "right" else first.start
        frame.datasets[f"{panel.name}_nonfinite_label"] = [{"epoch": at}]


def _absent(panel: Panel, frame: Frame) -> set[str]:
    """The layers that have nothing to show."""
    there = {
        "nonfinite": bool(panel.spans),
        "nonfinite_label": bool(panel.spans),
        "gap": panel.gap is not None,
        "area": panel.area is not None and panel.axis.linear,
        "best": panel.best and frame.best is not None,
        "best_label": panel.best and _best_side(panel, frame) is not None,
        "stack": panel.stacked,
        "lines": not panel.stacked,
        "points": f"{panel.name}_points" in frame.datasets,
        "hover": frame.interactive and bool(panel.tooltip),
    }
    return {name for name, is_there in there.items() if not is_there}


def _nonfinite_side(panel: Panel, frame: Frame) -> str | None:
    """On which side the words on what was not finite end, so that they stay within the panel."""
    if not panel.spans:
        return None
    return "right" if _place(panel.spans[0].start, frame) > frame.width / 2 else "left"


def _best_side(panel: Panel, frame: Frame) -> str | None:
    """On which side the words on the best epoch end; None where there is no room on either."""
    if frame.best is None:
        return None
    place = _place(frame.best, frame)
    taken = _nonfinite_words(panel, frame)
    sides = {"left": (place, place + _BEST_WIDTH), "right": (place - _BEST_WIDTH, place)}
    for side in ("left", "right") if place < frame.width / 2 else ("right", "left"):
        start, end = sides[side]
        if start >= 0 and end <= frame.width and (end < taken[0] or start > taken[1]):
            return side
    return None


def _nonfinite_words(panel: Panel, frame: Frame) -> tuple[float, float]:
    """From where to where the words on what was not finite stand, in pixels."""
    side = _nonfinite_side(panel, frame)
    if side is None:
        return -1, -1
    start, end = (_place(epoch, frame) for epoch in panel.spans[0][:2])
    return (end - _NONFINITE_WIDTH, end) if side == "right" else (start, start + _NONFINITE_WIDTH)


def _place(epoch: float, frame: Frame) -> float:
    """How far an epoch is from the panel's left, in pixels."""
    first, last = ends(frame.epochs)
    return (epoch - first) / (last - first) * frame.width


def _ticks(epochs: Sequence[int], width: int) -> list[int]:
    """The epochs to name: the first, and multiples of 1, 2 or 5 times a power of ten."""
    if not epochs:
        return []
    first, last = epochs[0], epochs[-1]
    most = max(1, width // _EPOCH_WIDTH)
    power = 1
    while (
        step := next((s * power for s in (1, 2, 5) if (last - first) <= s * power * most), 0)
    ) == 0:
        power *= 10
    return [first, *(epoch for epoch in range(step, last + 1, step) if epoch >= first + 0.7 * step)]
