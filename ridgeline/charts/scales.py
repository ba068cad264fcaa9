"""Chooses the scale of an axis: linear if that shows the values, else logarithmic."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

SQUASHED = 25.0
"""If the largest value is this many times the median, a linear axis squeezes half of the values
into 1/25 of its height, and a logarithmic one shows more."""
_LONG, _SHORT = 1e5, 1e-3
"""A linear axis that ends above the first or below the second has long numbers."""
_WRITTEN = (
    "datum.value !== 0 && (abs(datum.value) < 0.001 || abs(datum.value) >= 100000)"
    " ? format(datum.value, '~e') : format(datum.value, '~g')"
)
"""The label of a tick: long numbers get an exponent. Vega's interpreter can evaluate it."""
_HUGE = 1e150
"""Beyond it the difference of two numbers may be infinite."""
_DECADES = 8
"""About how many powers of ten fit on an axis."""


@dataclass(frozen=True)
class Axis:
    """A vertical axis: Vega-Lite's scale and axis, and a note for the reader."""

    scale: dict[str, Any]
    axis: dict[str, Any]
    note: str
    """What a reader has to know, such as ` (log scale)`; usually empty."""

    @property
    def linear(self) -> bool:
        """Whether heights are proportional to differences, so that areas are meaningful."""
        return "type" not in self.scale


def axis_of(
    values: Iterable[float | None], *, zero: bool = False, most: float | None = None
) -> Axis:
    """The axis that shows `values` best. If linear, `zero` includes 0 and `most` is its upper end.

    Logarithmic if the values are positive and a linear axis would squeeze half of them; with
    zeros or negative values, linear around zero and logarithmic beyond (symlog).
    """
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if not finite:
        return Axis({"domain": [0, 1], "nice": False}, {"labels": False}, "")
    sizes = [abs(value) for value in finite]
    greatest, middle = max(sizes), median(sizes)
    if greatest > _HUGE or (greatest > SQUASHED * middle and _spread(sizes) > SQUASHED):
        return _logarithmic(finite)
    return _linear(min(finite), max(finite), zero=zero, most=most)


def _spread(sizes: list[float]) -> float:
    """Largest / smallest size that is not zero."""
    nonzero = [size for size in sizes if size]
    return max(nonzero) / max(min(nonzero), math.ulp(0.0)) if nonzero else 1.0


def _linear(low: float, high: float, *, zero: bool, most: float | None) -> Axis:
    scale: dict[str, Any] = {"zero": zero, "nice": True}
    if low == high and not (zero and low > 0):
        around = abs(low) / 2 or 1.0
        floor = 0.0 if zero or low == 0 else low - around
        scale = {"domain": [floor, high + around], "nice": False}
    elif most is not None:
        scale |= {"domainMax": most}
    long = max(abs(low), abs(high)) >= _LONG or 0 < max(abs(low), abs(high)) < _SHORT
    return Axis(scale, {"labelExpr": _WRITTEN} if long else {}, "")


def _logarithmic(values: list[float]) -> Axis:
    low, high = min(values), max(values)
    if low > 0:
        ends = [low, high] if low < high else [low / 10, high * 10]
        scale: dict[str, Any] = {"type": "log", "domain": ends, "nice": high < _HUGE}
        return Axis(scale, {"labelExpr": _WRITTEN}, " (log scale)")
    sizes = sorted(abs(value) for value in values if value)
    turn = 10.0 ** math.floor(math.log10(sizes[len(sizes) // 10]))
    scale = {"type": "symlog", "constant": turn, "domain": [low, high], "nice": False}
    axis = {"labelExpr": _WRITTEN, "values": _powers(low, high, turn)}
    return Axis(scale, axis, f" (log scale beyond ±{turn:g})")


def _powers(low: float, high: float, least: float) -> list[float]:
    """Zero, and powers of ten of both signs from `least`, within the ends."""
    most = max(abs(low), abs(high))
    first, last = math.floor(math.log10(least)), math.floor(math.log10(most))
    step = max(1, math.ceil((last - first + 1) / _DECADES))
    sizes = [float(f"1e{exponent}") for exponent in range(first, last + 1, step)]
    return [
        tick for tick in (*(-size for size in reversed(sizes)), 0.0, *sizes) if low <= tick <= high
    ]
