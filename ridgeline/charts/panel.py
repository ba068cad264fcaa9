"""A panel of lines over epochs: the building block of the charts of curves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ridgeline.api.curves import Theme
from ridgeline.charts.definition import DASHES, NULL, Node, colour_places, fill
from ridgeline.charts.measured import FEW, Column, EpochSpan, ends, isolated
from ridgeline.charts.scales import Axis

ROW_HEIGHT = 18
"""Of a legend, in pixels."""
WORDS_HEIGHT = 14
_BEST_WIDTH, _NONFINITE_WIDTH = 110, 95
"""Width of the words above a mark, in pixels."""
MANY = 200
"""Beyond this many epochs lines are thin and none is dashed: dashes would be lost in the noise."""
_EPOCH_WIDTH = 56
"""Smallest distance between ticks of epochs, in pixels."""
_CHARACTER = 6.1
"""Approximate width of a character in a legend, in pixels."""
_SYMBOL = 42
"""Width of a legend's symbol with the space around it, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series of a panel."""

    field: str
    """Its name in the Vega data set `epochs`, if it is there."""
    label: str
    epochs: Sequence[int]
    values: Column
    colour: str
    dash: tuple[int, ...] = DASHES[0]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Lines over epochs, and the marks beside them."""

    name: str
    title: str
    lines: Sequence[Line]
    axis: Axis
    share: float = 1.0
    """Share of the chart's height, relative to the other panels."""
    gap: tuple[str, str] | None = None
    """The fields between which to shade."""
    area: Line | None = None
    """The line below which to shade."""
    best: bool = False
    """Whether to draw a rule at the best epoch."""
    spans: Sequence[EpochSpan] = ()
    stacked: bool = False
    """Whether the lines are stacked areas."""
    legend: bool = True
    """Whether it has a legend; a panel below another with the same lines needs none."""
    interpolate: str = "linear"
    tooltip: Sequence[Node] = ()

    @property
    def marked(self) -> bool:
        """Whether a row of words is needed between legend and lines."""
        return self.best or bool(self.spans)

    def legend_columns(self, width: int) -> int:
        """How many labels fit side by side."""
        longest = max((len(line.label) for line in self.lines), default=0)
        return legend_columns(longest, width - len(self.title) * _CHARACTER)

    def legend_height(self, width: int) -> int:
        """Height of the legend and the words below it, in pixels."""
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
    """The panel as Vega-Lite; its data are added to the frame's `datasets`."""
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
    """How many labels of up to `longest` characters fit side by side."""
    return max(1, int(width / (_SYMBOL + longest * _CHARACTER)))


def epoch_rows(epochs: Sequence[int], columns: dict[str, Column]) -> list[Node]:
    """The rows of a Vega data set: one per epoch, with the values of the columns."""
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
    """The panel's title if it has no legend."""
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
    """The layers without data."""
    present = {
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
    return {name for name, is_present in present.items() if not is_present}


def _nonfinite_side(panel: Panel, frame: Frame) -> str | None:
    """The side at which the words about values that are not finite are anchored."""
    if not panel.spans:
        return None
    return "right" if _place(panel.spans[0].start, frame) > frame.width / 2 else "left"


def _best_side(panel: Panel, frame: Frame) -> str | None:
    """The side at which the words about the best epoch are anchored; None without room."""
    if frame.best is None:
        return None
    place = _place(frame.best, frame)
    occupied = _nonfinite_words(panel, frame)
    sides = {"left": (place, place + _BEST_WIDTH), "right": (place - _BEST_WIDTH, place)}
    for side in ("left", "right") if place < frame.width / 2 else ("right", "left"):
        start, end = sides[side]
        if start >= 0 and end <= frame.width and (end < occupied[0] or start > occupied[1]):
            return side
    return None


def _nonfinite_words(panel: Panel, frame: Frame) -> tuple[float, float]:
    """Start and end of the words about values that are not finite, in pixels."""
    side = _nonfinite_side(panel, frame)
    if side is None:
        return -1, -1
    start, end = (_place(epoch, frame) for epoch in panel.spans[0][:2])
    return (end - _NONFINITE_WIDTH, end) if side == "right" else (start, start + _NONFINITE_WIDTH)


def _place(epoch: float, frame: Frame) -> float:
    """Distance of an epoch from the panel's left edge, in pixels."""
    first, last = ends(frame.epochs)
    return (epoch - first) / (last - first) * frame.width


def _ticks(epochs: Sequence[int], width: int) -> list[int]:
    """The epochs with a tick: the first, and multiples of 1, 2 or 5 times a power of ten."""
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
