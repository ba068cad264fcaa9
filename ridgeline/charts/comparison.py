"""The curves of several jobs in one chart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ridgeline.api.curves import Curves, Theme
from ridgeline.charts.accuracy import capital, measured_metrics, metric_axis, spoken
from ridgeline.charts.definition import DASHES, Node, colours, number, short
from ridgeline.charts.drawing import ChartTexts, Options, compose, message
from ridgeline.charts.losses import column
from ridgeline.charts.measured import EpochSpan, Pair, last, losses, metric, nonfinite_spans
from ridgeline.charts.panel import Line, Panel
from ridgeline.charts.scales import Axis, axis_of

LOSS = "loss"
"""The measure to compare if no metric is named."""


def compared(curves: Mapping[str, Curves], measure: str, options: Options) -> Node:
    """Draw each job's curve on the validation rows, and below it on the training rows.

    The keys of `curves` name the jobs. `measure` is `loss` or a metric.
    """
    pairs = {name: _pair(job, measure) for name, job in curves.items()}
    title = "Loss compared" if measure == LOSS else f"{capital(spoken(measure))} compared"
    if not any(pair.names for pair in pairs.values()):
        known = sorted({name for job in curves.values() for name in measured_metrics(job)})
        others = [name for name in (LOSS, *known) if name != measure]
        hint = f"; try {', '.join(others)}" if others else " yet"
        reason = f"None of the jobs measured it{hint}."
        return message(ChartTexts(title=title, subtitle=reason, description=reason), options)
    values = [
        value
        for name, job in curves.items()
        for series in pairs[name].names
        for value in column(job, series)
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
    epochs = sorted({epoch for job in curves.values() for epoch in job.epoch})
    datasets = {"epochs": _tooltip_rows(curves, pairs, epochs)} if options.interactive else {}
    texts = _texts(curves, pairs, title, labels)
    return compose(panels, texts, options, epochs=epochs, datasets=datasets)


def _shared(axis: Axis, values: Iterable[float | None]) -> Axis:
    """The axis with the same ends in every panel, so that heights can be compared."""
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
    for index, (name, job) in enumerate(curves.items()):
        series = getattr(pairs[name], side)
        if series is None:
            continue
        lines.append(
            Line(
                field=f"job_{index}_{side}",
                label=labels[index],
                epochs=job.epoch,
                values=column(job, series),
                colour=palette[index % len(palette)],
                dash=DASHES[index // len(palette)],
            )
        )
        spans += [
            span._replace(what=f"{labels[index]}, {span.what}")
            for span in nonfinite_spans(job, [series])
        ]
    return Panel(
        name=side,
        title=side.capitalize() + axis.note,
        lines=lines,
        axis=axis,
        spans=_apart(spans),
        tooltip=_tooltip(lines),
    )


def _tooltip_rows(
    curves: Mapping[str, Curves], pairs: Mapping[str, Pair], epochs: Sequence[int]
) -> list[Node]:
    """Tooltip rows, one per epoch: every job's values, null where it has none."""
    rows: dict[int, Node] = {epoch: {"epoch": epoch} for epoch in epochs}
    for index, (name, job) in enumerate(curves.items()):
        for side, series in pairs[name]._asdict().items():
            if series is None:
                continue
            values = dict(zip(job.epoch, column(job, series), strict=True))
            for epoch in epochs:
                rows[epoch][f"job_{index}_{side}"] = values.get(epoch)
    return list(rows.values())


def _tooltip(lines: Sequence[Line]) -> list[Node]:
    values = [
        {"field": line.field, "type": "quantitative", "title": line.label, "format": ".4~g"}
        for line in lines
    ]
    return [{"field": "epoch", "type": "quantitative", "title": "epoch", "format": ",d"}, *values]


def _apart(spans: Iterable[EpochSpan]) -> list[EpochSpan]:
    """The spans in order, without duplicates of equal extent."""
    return list({(span.start, span.end): span for span in sorted(spans)}.values())


def _texts(
    curves: Mapping[str, Curves], pairs: Mapping[str, Pair], title: str, labels: Sequence[str]
) -> ChartTexts:
    ends = {}
    for label, name in zip(labels, curves, strict=True):
        pair = pairs[name]
        end = last(column(curves[name], pair.validation or pair.training))
        if end is not None:
            ends[label] = end
    values = ", ".join(f"{label} {number(end)}" for label, end in ends.items())
    spoken = f"{len(curves)} jobs. At the end, on validation rows if there are any: {values}."
    return ChartTexts(title=title, subtitle=f"{len(curves)} jobs", description=spoken)
