"""What became of each weight: norms, zeros, cancelled units, distribution."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ridgeline.api.report import Histogram, Shrinkage, WeightReport

Array = npt.NDArray[Any]

NEARLY_ZERO = 0.01
"""A hundredth of the usual size: beside the others, such a weight changes nothing visible."""
BINS = 32
NARROWEST = 1e-4
"""Values closer together, as a share of their size, are one value to a histogram."""
MOST_HISTOGRAMS = 1000
"""About 0.6 KiB each: with them a report stays far below what one message may hold."""


class TrainedWeight(NamedTuple):
    """A weight at the end of training."""

    layer: str
    name: str
    """Its name in the layer, such as `kernel`."""
    values: Array
    penalties: Mapping[str, float] = {}
    """Keras's coefficients by kind, `l1` and `l2`."""
    weight_decay: float = 0.0
    """The decoupled decay d of w ← w − η·d·w; 0 where the weight is spared."""


class WeightReports(NamedTuple):
    """The reports of all weights, and what they leave out."""

    weights: tuple[WeightReport, ...]
    nonfinite: tuple[str, ...]
    histograms_left_out: int


def report_weights(
    weights: Sequence[TrainedWeight],
    learning_rate: float,
    *,
    most_histograms: int = MOST_HISTOGRAMS,
) -> WeightReports:
    """Report on every weight that is finite; the largest `most_histograms` get a histogram."""
    finite = [weight for weight in weights if bool(np.all(np.isfinite(weight.values)))]
    by_size = sorted(range(len(finite)), key=lambda index: -finite[index].values.size)
    drawn = set(by_size[:most_histograms])
    reports = tuple(
        report_weight(weight, learning_rate, histogram=index in drawn)
        for index, weight in enumerate(finite)
    )
    broken = tuple(
        f"{weight.layer}/{weight.name}"
        for weight in weights
        if not bool(np.all(np.isfinite(weight.values)))
    )
    return WeightReports(reports, broken, len(finite) - len(drawn))


def report_weight(
    weight: TrainedWeight, learning_rate: float, *, histogram: bool = True
) -> WeightReport:
    """Report on one weight, all of whose values are finite; formulas are WeightReport's."""
    values = np.asarray(weight.values)
    magnitudes = np.abs(values)
    top = float(np.max(magnitudes, initial=0.0))
    # Of the largest, so that no square is beyond what a float32 holds.
    squares = np.square(magnitudes / (top or 1.0))
    near = magnitudes <= NEARLY_ZERO * _usual_size(top * math.sqrt(_mean(squares)), values.shape)
    zero = magnitudes == 0
    matrix = values.ndim > 1 and values.size > 0
    before_last = tuple(range(values.ndim - 1))
    return WeightReport(
        layer=weight.layer,
        name=weight.name,
        shape=values.shape,
        size=values.size,
        l1_norm=float(np.sum(magnitudes, dtype=np.float64)),
        l2_norm=top * math.sqrt(float(np.sum(squares, dtype=np.float64))),
        max_unit_norm=top * _largest_norm(squares, before_last) if matrix else None,
        zero_share=_mean(zero),
        nearly_zero_share=_mean(near),
        units=values.shape[-1] if matrix else None,
        cancelled_units=int(np.sum(np.all(zero, axis=before_last))) if matrix else None,
        negligible_units=int(np.sum(np.all(near, axis=before_last))) if matrix else None,
        shrinkage=_shrinkage(weight, learning_rate),
        histogram=_histogram(values) if histogram else None,
    )


def _usual_size(root_mean_square: float, shape: tuple[int, ...]) -> float:
    """√mean(w²), or a fresh weight's standard deviation by Glorot & Bengio, if that is more."""
    if len(shape) <= 1 or 0 in shape:
        return root_mean_square
    *window, fan_in, fan_out = shape
    return max(root_mean_square, math.sqrt(2 / (math.prod(window) * (fan_in + fan_out))))


def _largest_norm(squares: Array, before_last: tuple[int, ...]) -> float:
    return math.sqrt(float(np.max(np.sum(squares, axis=before_last, dtype=np.float64))))


def _shrinkage(weight: TrainedWeight, learning_rate: float) -> Shrinkage | None:
    l1, l2 = (weight.penalties.get(kind, 0.0) for kind in ("l1", "l2"))
    if not (l1 or l2 or weight.weight_decay):
        return None
    return Shrinkage(factor=learning_rate * (2 * l2 + weight.weight_decay), step=learning_rate * l1)


def _histogram(values: Array) -> Histogram | None:
    if not values.size:
        return None
    low, high = np.float64(np.min(values)), np.float64(np.max(values))
    size = max(abs(low), abs(high))
    if high - low <= NARROWEST * size:  # no float32 lies between the edges of such bins
        low, high = low - (size or 1.0) / 2, high + (size or 1.0) / 2
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    return Histogram(
        edges=tuple(float(f"{edge:.7g}") for edge in edges),
        counts=tuple(int(count) for count in counts),
    )


def _mean(values: Array) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else 0.0
