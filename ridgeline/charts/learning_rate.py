"""The learning rate of each epoch."""

from ridgeline.api.curves import Curves
from ridgeline.charts.definition import Node, colours, number
from ridgeline.charts.drawing import ChartTexts, Options, compose, message
from ridgeline.charts.losses import column, tooltip
from ridgeline.charts.measured import nonfinite_spans
from ridgeline.charts.panel import Line, Panel, epoch_rows
from ridgeline.charts.scales import Axis, axis_of

TITLE = "Learning rate"
_NAME = "learning_rate"
_ORDERS = 10.0
"""A rate that changes by this factor gets a logarithmic axis, since schedules multiply it."""


def learning_rate_chart(curves: Curves, options: Options) -> Node:
    """Draw the learning rate by epoch, as steps."""
    values = [value for value in column(curves, _NAME) if value is not None]
    if not values:
        reason = "No epoch has ended yet." if not curves.epoch else "No learning rate was recorded."
        return message(ChartTexts(title=TITLE, subtitle=reason, description=reason), options)
    line = Line(
        field=_NAME,
        label="Learning rate",
        epochs=curves.epoch,
        values=column(curves, _NAME),
        colour=colours(options.theme)["training"],
    )
    axis = _axis(values)
    panel = Panel(
        name=_NAME,
        title="By epoch" + axis.note,
        lines=[line],
        axis=axis,
        spans=nonfinite_spans(curves, [_NAME]),
        interpolate="step",
        tooltip=tooltip(curves, {_NAME: "learning rate"}),
    )
    return compose(
        [panel],
        _texts(curves, values),
        options,
        epochs=curves.epoch,
        datasets={"epochs": epoch_rows(curves.epoch, {_NAME: line.values})},
    )


def _axis(values: list[float]) -> Axis:
    low, high = min(values), max(values)
    if low > 0 and high > _ORDERS * low:
        return Axis(
            {"type": "log", "domain": [low, high], "nice": True},
            {"format": "~g", "tickCount": 5},
            " (log scale)",
        )
    return axis_of(values, zero=True)


def _texts(curves: Curves, values: list[float]) -> ChartTexts:
    first, end, lowest, highest = (
        number(v) for v in (values[0], values[-1], min(values), max(values))
    )
    subtitle = f"From {first} to {end}, between {lowest} and {highest}"
    if lowest == highest:
        subtitle = f"{first} throughout"
    spoken = f"Steps over {len(curves.epoch)} epochs. {subtitle}."
    return ChartTexts(title=TITLE, subtitle=subtitle, description=spoken)
