"""Composes panels and texts into a chart of a given size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ridgeline.api.curves import Theme
from ridgeline.charts.definition import Node, colour_places, config, fill
from ridgeline.charts.panel import Frame, Panel, draw

#: Space beside, above and below a panel, in pixels: padding, labels, titles.
SIDES = 12 + 52 + 16
_ENDS = 10 + 8 + 41
_EPOCHS = 32
_ABOVE = 3
_BETWEEN = 19


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a chart looks."""

    theme: Theme = "light"
    width: int
    height: int
    name: str | None = None
    """The job's name, for the title."""
    interactive: bool = True
    """Whether it has tooltips: for browsers, not for pictures."""

    @property
    def inner_width(self) -> int:
        """The width of a panel that spans the chart."""
        return self.width - SIDES


@dataclass(frozen=True, kw_only=True)
class ChartTexts:
    """The words of a chart."""

    title: str
    subtitle: str
    description: str
    """For screen readers."""


def compose(
    panels: Sequence[Panel],
    texts: ChartTexts,
    options: Options,
    *,
    epochs: Sequence[int],
    datasets: dict[str, Any],
    best: int | None = None,
) -> Node:
    """The chart of these panels, one below the other, over the same epochs."""
    marks = [{"epoch": best, "label": f"lowest at epoch {best:,}"}] if best else []
    frame = Frame(
        theme=options.theme,
        epochs=epochs,
        width=options.inner_width,
        best=best,
        interactive=options.interactive,
        datasets={**datasets, **({"best": marks} if marks else {})},
    )
    heights = _heights(panels, options)
    views = [
        draw(panel, frame, height, lowest=panel is panels[-1])
        for panel, height in zip(panels, heights, strict=True)
    ]
    return chart_of(views, texts, options, frame.datasets)


def chart_of(views: Sequence[Node], texts: ChartTexts, options: Options, datasets: Node) -> Node:
    """The chart that holds these views."""
    title = texts.title if options.name is None else f"{texts.title} · {options.name}"
    values = {
        **colour_places(options.theme),
        "title": title,
        "subtitle": texts.subtitle,
        "description": f"{title}. {texts.description}",
        "limit": options.width - 28,
        "datasets": datasets,
        "panels": list(views),
        "config": config(options.theme),
    }
    return fill("chart", values)


def message(texts: ChartTexts, options: Options) -> Node:
    """A chart without data that says why."""
    width, height = options.width - 28, options.height - _ENDS + 18
    values = {
        **colour_places(options.theme),
        "text": texts.subtitle,
        "width": width,
        "height": height,
        "center": width // 2,
        "middle": height // 2,
    }
    return chart_of([fill("message", values)], replace(texts, subtitle=""), options, {})


def _heights(panels: Sequence[Panel], options: Options) -> list[int]:
    legends = sum(panel.legend_height(options.inner_width) + _ABOVE for panel in panels)
    room = options.height - _ENDS - _EPOCHS - legends - _BETWEEN * (len(panels) - 1)
    shares = sum(panel.share for panel in panels)
    return [max(40, round(room * panel.share / shares)) for panel in panels]
