"""The curves of several jobs over each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ridgeline.api.curves import Curves, Theme
from ridgeline.charts.accuracy import capital, measured_metrics, metric_axis, spoken
from ridgeline.charts.definition import Node
from ridgeline.charts.drawing import Options, Texts, compose, message
from ridgeline.charts.labels import number, short
from ridgeline.charts.losses import column
from ridgeline.charts.measured import Pair, Span, last, losses, metric, nonfinite_spans
from ridgeline.charts.panel import Line, Panel
from ridgeline.charts.scales import Axis, axis_of
from ridgeline.charts.theme import DASHES, colours

LOSS = "loss"
"""The measure to compare unless a metric is asked for."""


def compared(curves: Mapping[str, Curves], measure: str, options: Options) -> Node:
    """Draw the validation rows' curve of each job, and below it the training rows'.

    The jobs are called as `curves` calls them. `measure` is `loss` or a metric.
    """
    pairs = {name: _pair(each, measure) for name, each in curves.items()}
    title = "Loss compared" if measure == LOSS else f"{capital(spoken(measure))} compared"
    if not any(pair.names for pair in pairs.values()):
        known = sorted({name for each in curves.values() for name in measured_metrics(each)})
        others = [name for name in (LOSS, *known) if name != measure]
        hint = f"; try {', '.join(others)}" if others else " yet"
        reason = f"None of the jobs has measured it{hint}."
        return message(Texts(title=title, subtitle=reason, description=reason), options)
    values = [
        value
        for name, each in curves.items()
        for series in pairs[name].names
        for value in column(each, series)
    ]
    axis = _shared(axis_of(values) if measure == LOSS else metric_axis(measure, values), values)
    labels = short(curves)
    panels = [
        _panel(side, curves, pairs, axis, labels, options.theme)
        for side in ("validation", "training")
        if any(getattr(pair, side) for pair in pairs.values())
    ]
    if len({len(panel.lines) for panel in panels}) == 1:
        panels[1:] = [replace(panel, legend=False) for panel in panels[1:]]
    epochs = sorted({epoch for each in curves.values() for epoch in each.epoch})
    told = {"epochs": _told_rows(curves, pairs, epochs)} if options.interactive else {}
    texts = _texts(curves, pairs, title, labels)
    return compose(panels, texts, options, epochs=epochs, datasets=told)


def _shared(axis: Axis, values: Iterable[float | None]) -> Axis:
    """The axis with the same ends in every panel, so that their heights compare."""
    finite = [value for value in values if value is not None]
    if "domain" in axis.scale or not finite:
        return axis
    return replace(axis, scale={**axis.scale, "domain": [min(finite), max(finite)]})


def _pair(curves: Curves, measure: str) -> Pair:
    return losses(curves) if measure == LOSS else metric(curves, measure)


def _panel(
    side: str,
    curves: Mapping[str, Curves],
    pairs: Mapping[str, Pair],
    axis: Axis,
    labels: Sequence[str],
    theme: Theme,
) -> Panel:
    palette = colours(theme)["category"]
    lines, spans = [], []
    for index, (name, each) in enumerate(curves.items()):
        series = getattr(pairs[name], side)
        if series is None:
            continue
        lines.append(
            Line(
                field=f"job_{index}_{side}",
                label=labels[index],
                epochs=each.epoch,
                values=column(each, series),
                colour=palette[index % len(palette)],
                dash=DASHES[index // len(palette)],
            )
        )
        spans += [
            span._replace(what=f"{labels[index]}, {span.what}")
            for span in nonfinite_spans(each, [series])
        ]
    return Panel(
        name=side,
        title=side.capitalize() + axis.note,
        lines=lines,
        axis=axis,
        spans=_apart(spans),
        tooltip=_tooltip(lines),
    )


def _told_rows(
    curves: Mapping[str, Curves], pairs: Mapping[str, Pair], epochs: Sequence[int]
) -> list[Node]:
    """What the pointer is told of each epoch: every job's values, null where it has none."""
    rows: dict[int, Node] = {epoch: {"epoch": epoch} for epoch in epochs}
    for index, (name, each) in enumerate(curves.items()):
        for side, series in pairs[name]._asdict().items():
            if series is None:
                continue
            found = dict(zip(each.epoch, column(each, series), strict=True))
            for epoch in epochs:
                rows[epoch][f"job_{index}_{side}"] = found.get(epoch)
    return list(rows.values())


def _tooltip(lines: Sequence[Line]) -> list[Node]:
    told = [
        {"field": line.field, "type": "quantitative", "title": line.label, "format": ".4~g"}
        for line in lines
    ]
    return [{"field": "epoch", "type": "quantitative", "title": "epoch", "format": ",d"}, *told]


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The spans in their order, those of equal extent once."""
    return list({(span.start, span.end): span for span in sorted(spans)}.values())


def _texts(
    curves: Mapping[str, Curves], pairs: Mapping[str, Pair], title: str, labels: Sequence[str]
) -> Texts:
    ends = {}
    for label, name in zip(labels, curves, strict=True):
        pair = pairs[name]
        end = last(column(curves[name], pair.validation or pair.training))
        if end is not None:
            ends[label] = end
    told = ", ".join(f"{label} {number(end)}" for label, end in ends.items())
    spoken = f"{len(curves)} jobs. At the end, by the validation rows where there are any: {told}."
    return Texts(title=title, subtitle=f"{len(curves)} jobs", description=spoken)
