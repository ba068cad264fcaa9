"""The penalty by layer: which weights it is on, and how it changes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ridgeline.api.curves import Curves
from ridgeline.charts.definition import DASHES, Node, colours, number, short
from ridgeline.charts.drawing import ChartTexts, Options, compose, message
from ridgeline.charts.measured import Column, last, nonfinite_spans
from ridgeline.charts.panel import ROW_HEIGHT, Line, Panel, epoch_rows, legend_columns
from ridgeline.charts.scales import Axis, axis_of

TITLE = "Penalty by layer"
_OF_HEIGHT = 3 * ROW_HEIGHT
"""The legend may take a third of the height."""


class _Term(NamedTuple):
    """A penalty that is drawn: one term, or the sum of the small ones."""

    field: str
    label: str
    values: Column
    colour: str


def penalty_chart(curves: Curves, options: Options) -> Node:
    """Draw the penalties on each other, the greatest lowest; lines on a logarithmic axis."""
    if not any(last(values) is not None for values in curves.penalty_by_layer.values()):
        reason = "No epoch has ended yet." if not curves.epoch else "The job has no penalty."
        return message(ChartTexts(title=TITLE, subtitle=reason, description=reason), options)
    terms = _terms(curves.penalty_by_layer, len(curves.epoch), options)
    axis = axis_of(_sums([term.values for term in terms], len(curves.epoch)), zero=True)
    stacked = axis.linear and len(curves.epoch) > 1
    if not stacked:
        axis = axis_of((value for term in terms for value in term.values), zero=True)
    panel = _panel(curves, terms, axis, stacked=stacked)
    columns = {term.field: term.values for term in terms}
    datasets = {"epochs": epoch_rows(curves.epoch, columns)}
    texts = _texts(curves, terms, stacked=stacked)
    return compose([panel], texts, options, epochs=curves.epoch, datasets=datasets)


def _panel(curves: Curves, terms: Sequence[_Term], axis: Axis, *, stacked: bool) -> Panel:
    lines = [
        Line(
            field=term.field,
            label=term.label,
            epochs=curves.epoch,
            values=term.values,
            colour=term.colour,
            dash=DASHES[index % len(DASHES)] if not stacked else DASHES[0],
        )
        for index, term in enumerate(terms)
    ]
    tooltip = [{"field": "epoch", "type": "quantitative", "title": "epoch", "format": ",d"}] + [
        {"field": term.field, "type": "quantitative", "title": term.label, "format": ".4~g"}
        for term in terms
    ]
    return Panel(
        name="penalty",
        title="",
        lines=lines,
        axis=axis,
        stacked=stacked,
        spans=nonfinite_spans(curves, curves.penalty_by_layer),
        tooltip=tooltip,
    )


def _terms(by_layer: Mapping[str, Column], epochs: int, options: Options) -> list[_Term]:
    """The penalties to draw, largest at the end first; the small ones are summed."""
    palette = colours(options.theme)["category"][: _most(by_layer, options)]
    ordered = sorted(by_layer, key=lambda name: -(last(by_layer[name]) or 0.0))
    kept = ordered if len(ordered) <= len(palette) else ordered[: len(palette) - 1]
    terms = [
        _Term(f"term_{index}", label, by_layer[name], palette[index])
        for index, (name, label) in enumerate(zip(kept, short(kept), strict=True))
    ]
    others = ordered[len(kept) :]
    if others:
        summed = _sums([by_layer[name] for name in others], epochs)
        label = f"{len(others)} others together"
        terms.append(_Term("others", label, summed, colours(options.theme)["others"]))
    return terms


def _most(names: Iterable[str], options: Options) -> int:
    """How many terms fit into a legend that leaves most of the picture to the curves."""
    longest = max(len(label) for label in short(names))
    return max(2, legend_columns(longest, options.inner_width) * (options.height // _OF_HEIGHT))


def _sums(columns: Sequence[Column], epochs: int) -> list[float | None]:
    """The sum per epoch of the measured values; null where there is none."""
    sums: list[float | None] = []
    for index in range(epochs):
        measured = [value for column in columns if (value := column[index]) is not None]
        sums.append(sum(measured) if measured else None)
    return sums


def _texts(curves: Curves, terms: Sequence[_Term], *, stacked: bool) -> ChartTexts:
    ends = {term.label: last(term.values) or 0.0 for term in terms}
    total = sum(ends.values())
    how = "Stacked areas" if stacked else "Lines"
    subtitle = f"{number(total)} at the end"
    if total and len(ends) > 1:
        most = max(ends, key=lambda label: ends[label])
        subtitle += f", {ends[most] / total:.0%} of it on {most}"
    values = ", ".join(f"{label} {number(end)}" for label, end in ends.items())
    spoken = f"{how} over {len(curves.epoch)} epochs. At the end: {values}."
    return ChartTexts(title=TITLE, subtitle=subtitle, description=spoken)
