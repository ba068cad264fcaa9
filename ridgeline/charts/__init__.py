"""Charts of jobs as Vega-Lite: pictures, the dashboard and notebooks draw the same definitions."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from ridgeline.api.curves import ChartName, Curves, Theme
from ridgeline.api.report import Report
from ridgeline.charts.accuracy import accuracy_chart, measured_metrics
from ridgeline.charts.comparison import LOSS, compared
from ridgeline.charts.drawing import Options
from ridgeline.charts.learning_rate import learning_rate_chart
from ridgeline.charts.losses import losses_chart
from ridgeline.charts.measured import losses
from ridgeline.charts.penalty import penalty_chart
from ridgeline.charts.weights import weights_chart

__all__ = [
    "CHARTS",
    "HEIGHT",
    "LOSS",
    "THEMES",
    "TITLES",
    "WIDTH",
    "ChartName",
    "Theme",
    "chart",
    "comparison_chart",
    "has_data",
]

CHARTS: tuple[ChartName, ...] = get_args(ChartName)
THEMES: tuple[Theme, ...] = get_args(Theme)

WIDTH, HEIGHT = 720, 440
"""The size of a picture unless another is asked for, in pixels."""

TITLES: dict[ChartName, str] = {
    "losses": "Losses",
    "accuracy": "Accuracy",
    "penalty": "Penalty by layer",
    "weights": "Weights",
    "learning_rate": "Learning rate",
}

_OF_CURVES: dict[str, Callable[[Curves, Options], dict[str, Any]]] = {
    "losses": losses_chart,
    "accuracy": accuracy_chart,
    "penalty": penalty_chart,
    "learning_rate": learning_rate_chart,
}


def chart(  # noqa: PLR0913 - options of a picture, each with its default
    name: ChartName,
    curves: Curves,
    report: Report | None = None,
    *,
    theme: Theme = "light",
    width: int = WIDTH,
    height: int = HEIGHT,
    heading: str | None = None,
    interactive: bool = True,
) -> dict[str, Any]:
    """A chart of a job as a Vega-Lite specification with its data inline.

    Args:
        name: which of CHARTS.
        curves: the job's; thin out long ones first (`max_points`).
        report: the job's, for `weights`; without it that chart says so.
        theme: light or dark background.
        width: of the whole picture, in pixels.
        height: of the whole picture, in pixels.
        heading: the job's name, for the title.
        interactive: whether it has tooltips; a picture needs none.
    """
    options = Options(
        theme=theme, width=width, height=height, name=heading, interactive=interactive
    )
    return (
        weights_chart(report, options) if name == "weights" else _OF_CURVES[name](curves, options)
    )


def has_data(name: ChartName, curves: Curves, report: Report | None = None) -> bool:
    """Whether the chart has data to draw, instead of saying why there is none."""
    if name == "weights":
        return report is not None and any(weight.histogram for weight in report.weights)
    if name == "penalty":
        return bool(curves.penalty_by_layer)
    if name == "accuracy":
        return bool(measured_metrics(curves))
    return bool(losses(curves).names if name == "losses" else curves.series.get("learning_rate"))


def comparison_chart(
    curves: Mapping[str, Curves],
    measure: str = LOSS,
    *,
    theme: Theme = "light",
    width: int = WIDTH,
    height: int = HEIGHT,
    interactive: bool = True,
) -> dict[str, Any]:
    """Several jobs in one chart, as a Vega-Lite specification with its data inline.

    Args:
        curves: each job's, by the name that the legend shows.
        measure: `loss` (without penalties), or a metric such as `accuracy`.
        theme: light or dark background.
        width: of the whole picture, in pixels.
        height: of the whole picture, in pixels.
        interactive: whether it has tooltips.
    """
    options = Options(theme=theme, width=width, height=height, interactive=interactive)
    return compared(curves, measure, options)
