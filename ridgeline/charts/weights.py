"""The distribution of each weight's elements at the end of training."""

from collections.abc import Sequence

from ridgeline.api.report import Report, WeightReport
from ridgeline.charts.definition import Node, colour_places, fill, number, short
from ridgeline.charts.drawing import SIDES, ChartTexts, Options, chart_of, message

TITLE = "Weights"
_NARROWEST, _LOWEST = 150, 56
"""The smallest width and height of a histogram, in pixels."""
_COLUMN_GAP = 18 + 52
_ROW_GAP = 22 + 18 + 14
_TOP = 10 + 8 + 26
_PEAKED = 20.0
"""A bin with this many times the median count hides the others on a linear axis."""


def weights_chart(report: Report | None, options: Options) -> Node:
    """Draw a histogram for each of the largest weights, as many as fit."""
    if report is None:
        reason = "The weights are reported once training has ended."
        return message(ChartTexts(title=TITLE, subtitle=reason, description=reason), options)
    known = [weight for weight in report.weights if weight.histogram is not None]
    if not known:
        reason = _none(report)
        return message(ChartTexts(title=TITLE, subtitle=reason, description=reason), options)
    columns = max(
        1, min(len(known), (options.width - SIDES + _COLUMN_GAP) // (_NARROWEST + _COLUMN_GAP))
    )
    rows = max(1, min(-(-len(known) // columns), (options.height - _TOP) // (_LOWEST + _ROW_GAP)))
    drawn = _largest(known, columns * rows)
    labels = short([f"{weight.layer}/{weight.name}" for weight in drawn])
    peaked = any(_is_peaked(weight) for weight in drawn)
    values = {
        **colour_places(options.theme),
        "columns": columns,
        "labels": labels,
        "panel_width": (options.width - SIDES - (columns - 1) * _COLUMN_GAP) // columns,
        "panel_height": max(40, (options.height - _TOP) // rows - _ROW_GAP),
        "y_scale": {"type": "sqrt", "nice": True} if peaked else {"nice": True},
    }
    bins = [
        row for label, weight in zip(labels, drawn, strict=True) for row in _bins(label, weight)
    ]
    texts = _texts(report, drawn, peaked=peaked)
    return chart_of([fill("weights", values)], texts, options, {"bins": bins})


def _largest(weights: Sequence[WeightReport], most: int) -> list[WeightReport]:
    """The `most` largest, in the network's order."""
    kept = sorted(range(len(weights)), key=lambda index: -weights[index].size)[:most]
    return [weights[index] for index in sorted(kept)]


def _bins(label: str, weight: WeightReport) -> list[Node]:
    if weight.histogram is None:
        return []
    edges, counts = weight.histogram.edges, weight.histogram.counts
    total = sum(counts) or 1
    rows: list[Node] = [
        {"weight": label, "from": low, "to": high, "count": count, "share": count / total}
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    if edges[0] <= 0 <= edges[-1]:
        rows[0]["zero"] = 0
    if near_zero := _near_zero(weight):
        rows[0] |= {"first": True, "near_zero": near_zero}
    return rows


def _near_zero(weight: WeightReport) -> str:
    if weight.nearly_zero_share >= 0.005:  # noqa: PLR2004 - rounds to one percent
        return f"{weight.nearly_zero_share:.0%} near zero"
    return ""


def _is_peaked(weight: WeightReport) -> bool:
    counts = sorted(count for count in weight.histogram.counts if count) if weight.histogram else []
    return bool(counts) and counts[-1] > _PEAKED * counts[len(counts) // 2]


def _none(report: Report) -> str:
    if report.nonfinite_weights:
        count = len(report.nonfinite_weights)
        return f"{count} weights hold NaN or infinite values; none can be drawn."
    return "The report has no histogram of a weight."


def _texts(report: Report, drawn: Sequence[WeightReport], *, peaked: bool) -> ChartTexts:
    count = len(report.weights)
    sentences = [f"Share of elements by value{' (square-root scale)' if peaked else ''}"]
    if len(drawn) < count:
        sentences.append(f"the {len(drawn)} largest of {count} weights")
    if report.nonfinite_weights:
        sentences.append(f"{len(report.nonfinite_weights)} hold NaN or infinite values")
    details = ". ".join(
        f"{weight.layer}/{weight.name}: {weight.size:,} elements, norm {number(weight.l2_norm)},"
        f" {weight.nearly_zero_share:.0%} nearly zero"
        for weight in drawn
    )
    spoken = f"Histograms. {details}."
    return ChartTexts(title=TITLE, subtitle=" · ".join(sentences), description=spoken)
