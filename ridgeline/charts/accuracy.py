"""Accuracy and the other metrics, for training and validation rows."""

from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from ridgeline.api.curves import Curves, Theme
from ridgeline.charts.definition import Node, number
from ridgeline.charts.drawing import ChartTexts, Options, compose, message
from ridgeline.charts.losses import column, pair_lines, tooltip
from ridgeline.charts.measured import last, metric, nonfinite_spans
from ridgeline.charts.panel import Panel, epoch_rows
from ridgeline.charts.scales import Axis, axis_of
from ridgeline.spec.training.losses import MetricName

MOST_PANELS = 4
"""How many metrics are drawn, accuracy first."""
_SHARES = frozenset({"accuracy", "top_k_categorical_accuracy", "precision", "recall", "f1_score"})
"""Metrics that are a share, shown in percent."""


def accuracy_chart(curves: Curves, options: Options) -> Node:
    """Draw a panel for each metric that was measured, accuracy first."""
    names = measured_metrics(curves)
    title = "Accuracy" if names in ([], ["accuracy"]) else "Metrics"
    if not names:
        reason = "No epoch has ended yet." if not curves.epoch else "The job measured no metric."
        return message(ChartTexts(title=title, subtitle=reason, description=reason), options)
    drawn = names[:MOST_PANELS]
    titles = {
        f"{prefix}{name}": f"{of}{spoken(name)}"
        for name in drawn
        for prefix, of in (
            ("train_", "training "),
            ("", "training, as trained: "),
            ("val_", "validation "),
        )
        if f"{prefix}{name}" in curves.series
    }
    return compose(
        [_panel(curves, name, titles, options.theme) for name in drawn],
        _texts(curves, title, names),
        options,
        epochs=curves.epoch,
        datasets={
            "epochs": epoch_rows(curves.epoch, {name: curves.series[name] for name in titles})
        },
    )


def measured_metrics(curves: Curves) -> list[str]:
    """The metrics in the curves, accuracy first."""
    return [name for name in get_args(MetricName) if metric(curves, name).names]


def metric_axis(name: str, values: Iterable[float | None]) -> Axis:
    """The axis of a metric: in percent if it is a share."""
    if name not in _SHARES:
        return axis_of(values)
    axis = axis_of(values, most=1.0)
    return replace(axis, axis={"format": "~%"}) if axis.linear else axis


def _panel(curves: Curves, name: str, titles: dict[str, str], theme: Theme) -> Panel:
    pair = metric(curves, name)
    lines = pair_lines(curves, pair, theme)
    axis = metric_axis(name, (value for line in lines for value in line.values))
    return Panel(
        name=name,
        title=capital(spoken(name)) + axis.note,
        lines=lines,
        axis=axis,
        gap=pair.both,
        spans=nonfinite_spans(curves, pair.names),
        tooltip=tooltip(curves, titles),
    )


def _texts(curves: Curves, title: str, names: list[str]) -> ChartTexts:
    sentences = []
    for name in names[:MOST_PANELS]:
        pair = metric(curves, name)
        ends = {
            part: last(column(curves, series))
            for part, series in (("training", pair.training), ("validation", pair.validation))
        }
        values = ", ".join(
            f"{part} {_written(name, end)}" for part, end in ends.items() if end is not None
        )
        sentences.append(
            f"{spoken(name)} at the end: {values}" if values else f"{spoken(name)}: not finite"
        )
    left = f" · {len(names) - MOST_PANELS} more in the curves" if len(names) > MOST_PANELS else ""
    description = f"Lines over {len(curves.epoch)} epochs. {'. '.join(sentences)}."
    return ChartTexts(
        title=title, subtitle=capital(" · ".join(sentences[:2])) + left, description=description
    )


def _written(name: str, value: float) -> str:
    return f"{value:.1%}" if name in _SHARES else number(value)


def spoken(name: str) -> str:
    """A metric's name in words."""
    return {"auc": "AUC", "f1_score": "F1 score"}.get(name, name.replace("_", " "))


def capital(text: str) -> str:
    """The text with its first letter in upper case, the others unchanged."""
    return text[:1].upper() + text[1:]
