"""Chooses how values become heights: linear where it shows them, else logarithmic."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

SQUASHED = 25.0
"""A linear axis shows half of the values in less than 1/25 of its height where the greatest is so
many times the median: then a logarithmic one shows more."""
_LONG, _SHORT = 1e5, 1e-3
"""A linear axis that ends above the one, or below the other, has long numbers."""
_WRITTEN = (
    "datum.value !== 0 && (abs(datum.value) < 0.001 || abs(datum.value) >= 100000)"
    " ? format(datum.value, '~e') : format(datum.value, '~g')"
)
"""How a tick is written: very long numbers with an exponent. Vega's interpreter can run it."""
_HUGE = 1e150
"""Beyond it the difference of two numbers may be infinite."""
_DECADES = 8
"""About how many powers of ten an axis can name."""


@dataclass(frozen=True)
class Axis:
    """A vertical axis: Vega-Lite's scale and axis, and what to say of them."""

    scale: dict[str, Any]
    axis: dict[str, Any]
    note: str
    """What a reader has to know, such as ` (log scale)`; mostly nothing."""

    @property
    def linear(self) -> bool:
        """Whether heights are in proportion to differences, so that an area may be read."""
        return "type" not in self.scale


def axis_of(
    values: Iterable[float | None], *, zero: bool = False, most: float | None = None
) -> Axis:
    """The axis on which `values` are seen best; `zero`: from zero on if linear; `most`: up to it.

    Logarithmic where the values are positive and a linear axis would squash half of them. With
    zeros or negative ones among them: linear about zero and logarithmic beyond.
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
    """How many times the least that is not zero the greatest is."""
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
    """Zero, and powers of ten of both signs from `least` on, within the ends."""
    most = max(abs(low), abs(high))
    first, last = math.floor(math.log10(least)), math.floor(math.log10(most))
    step = max(1, math.ceil((last - first + 1) / _DECADES))
    sizes = [float(f"1e{exponent}") for exponent in range(first, last + 1, step)]
    return [
        tick for tick in (*(-size for size in reversed(sizes)), 0.0, *sizes) if low <= tick <= high
    ]
