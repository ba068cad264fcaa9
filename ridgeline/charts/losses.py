"""The losses on training and validation rows, the gap between them, and the penalty apart."""

from ridgeline.api.curves import Curves, Theme
from ridgeline.charts.definition import DASHES, Node, colours, number
from ridgeline.charts.drawing import ChartTexts, Options, compose, message
from ridgeline.charts.measured import Column, Pair, best_epoch, last, losses, nonfinite_spans
from ridgeline.charts.panel import MANY, Line, Panel, epoch_rows
from ridgeline.charts.scales import axis_of

TITLE = "Losses"
_ROOMY = 240
"""Lower pictures have no room for the penalty's panel; their description still mentions it."""
#: The values in a tooltip, with their titles.
_TOOLTIP = {
    "train_data_loss": "training, without dropout",
    "data_loss": "training, as trained",
    "val_data_loss": "validation",
    "gap": "gap",
    "penalty": "penalty",
    "loss": "loss minimized",
    "val_loss": "validation, with penalty",
}


def losses_chart(curves: Curves, options: Options) -> Node:
    """Draw the losses without the penalty, the gap shaded, and below them the penalty."""
    pair = losses(curves)
    if not pair.names:
        reason = "No epoch has ended yet." if not curves.epoch else "No loss was measured."
        return message(ChartTexts(title=TITLE, subtitle=reason, description=reason), options)
    panels = [_data_losses(curves, pair, options.theme)]
    if options.height >= _ROOMY and _penalized(curves) and pair.training != "loss":
        panels.append(_penalty(curves, options.theme))
    shown = [name for name in _TOOLTIP if name in curves.series]
    return compose(
        panels,
        _texts(curves, pair),
        options,
        epochs=curves.epoch,
        datasets={
            "epochs": epoch_rows(curves.epoch, {name: curves.series[name] for name in shown})
        },
        best=best_epoch(curves),
    )


def _data_losses(curves: Curves, pair: Pair, theme: Theme) -> Panel:
    lines = pair_lines(curves, pair, theme)
    axis = axis_of(value for line in lines for value in line.values)
    what = "Loss with penalty" if pair.training == "loss" else "Data loss"
    return Panel(
        name="losses",
        title=what + axis.note,
        lines=lines,
        axis=axis,
        share=2.2,
        gap=pair.both,
        best=pair.validation == "val_data_loss",
        spans=nonfinite_spans(curves, pair.names),
        tooltip=tooltip(curves, _TOOLTIP),
    )


def _penalty(curves: Curves, theme: Theme) -> Panel:
    series = {"penalty": "Penalty", "loss": "Data loss + penalty"}
    dashes = {"penalty": DASHES[0], "loss": DASHES[0 if len(curves.epoch) > MANY else 1]}
    palette = {"penalty": colours(theme)["penalty"], "loss": colours(theme)["total"]}
    lines = [
        Line(
            field=name,
            label=label,
            epochs=curves.epoch,
            values=curves.series[name],
            colour=palette[name],
            dash=dashes[name],
        )
        for name, label in series.items()
        if name in curves.series
    ]
    axis = axis_of((value for line in lines for value in line.values), zero=True)
    return Panel(
        name="penalty",
        title="Penalty apart" + axis.note,
        lines=lines,
        axis=axis,
        area=lines[0],
        spans=nonfinite_spans(curves, series),
        tooltip=tooltip(curves, _TOOLTIP),
    )


def pair_lines(curves: Curves, pair: Pair, theme: Theme) -> list[Line]:
    """The lines of the training rows and the validation rows, if measured."""
    palette = colours(theme)
    dash = DASHES[0] if len(curves.epoch) > MANY else DASHES[1]
    lines = (
        ("Training", pair.training, palette["training"], dash),
        ("Validation", pair.validation, palette["validation"], DASHES[0]),
    )
    return [
        Line(
            field=name,
            label=label,
            epochs=curves.epoch,
            values=column(curves, name),
            colour=colour,
            dash=shape,
        )
        for label, name, colour, shape in lines
        if name is not None
    ]


def column(curves: Curves, name: str | None) -> Column:
    """The series; null in every epoch if it was never measured."""
    return curves.series.get(name or "") or (None,) * len(curves.epoch)


def tooltip(curves: Curves, titles: dict[str, str]) -> list[Node]:
    """The tooltip of the epoch under the pointer."""
    fields = [{"field": "epoch", "type": "quantitative", "title": "epoch", "format": ",d"}]
    return fields + [
        {"field": name, "type": "quantitative", "title": title, "format": ".4~g"}
        for name, title in titles.items()
        if name in curves.series
    ]


def _penalized(curves: Curves) -> bool:
    return any(curves.series.get("penalty", ())) or bool(curves.nonfinite.get("penalty"))


def _gap(curves: Curves, pair: Pair) -> tuple[int, float] | None:
    """The last epoch with both losses, and their difference there."""
    sides = column(curves, pair.training), column(curves, pair.validation)
    for epoch, training, validation in reversed(list(zip(curves.epoch, *sides, strict=True))):
        if training is not None and validation is not None:
            return epoch, validation - training
    return None


def _texts(curves: Curves, pair: Pair) -> ChartTexts:
    sentences = []
    gap = _gap(curves, pair)
    if gap is not None:
        shaded = "(shaded: validation − training)"
        sentences.append(f"Gap {number(gap[1])} at epoch {gap[0]:,} {shaded}")
    elif pair.validation is None:
        sentences.append("No rows were held out for validation")
    if not _penalized(curves) and "penalty" in curves.series:
        sentences.append("no penalty")
    broken = nonfinite_spans(curves, (*pair.names, "penalty"))
    if broken:
        since = "from" if broken[0].last == curves.epoch[-1] else "first in"
        sentences.append(f"NaN or infinite {since} epoch {broken[0].first:,}")
    subtitle = " · ".join(sentences)
    subtitle = subtitle[:1].upper() + subtitle[1:]
    return ChartTexts(title=TITLE, subtitle=subtitle, description=_described(curves, pair))


def _described(curves: Curves, pair: Pair) -> str:
    epochs = len(curves.epoch)
    parts = [f"Lines over {epochs} epoch{'s' * (epochs != 1)}"]
    for what, name in (("Training loss", pair.training), ("Validation loss", pair.validation)):
        values = [value for value in column(curves, name) if value is not None]
        if values:
            parts.append(f"{what} went from {number(values[0])} to {number(values[-1])}")
    best = best_epoch(curves)
    if best is not None:
        parts.append(f"Validation loss was lowest at epoch {best}")
    penalty = last(column(curves, "penalty"))
    if penalty:
        parts.append(f"The penalty ended at {number(penalty)}")
    spans = nonfinite_spans(curves, (*pair.names, "penalty"))
    parts += [f"NaN or infinite: {span.what}" for span in spans]
    return ". ".join(parts) + "."
