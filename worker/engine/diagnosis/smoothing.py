"""The trend of a noisy curve without its spikes, and the noise around it."""

import math
from collections.abc import Sequence
from functools import cached_property
from statistics import median

#: 1/Φ⁻¹(¾): standard deviation / median absolute deviation of a normal distribution.
_NORMAL = 1.4826
#: The smallest and largest window of a median, in epochs.
_NARROWEST, _WIDEST = 3, 25
#: Noise is estimated from at least this many values, if there are as many.
_STEADY = 5


class Curve:
    """A measured series, one value per epoch, and its trend."""

    def __init__(self, name: str, values: Sequence[float]) -> None:
        self.name = name
        self.values = values

    @property
    def window(self) -> int:
        """The window of the medians: a tenth of the epochs, odd, 3 to 25."""
        count = len(self.values)
        return min(max(_NARROWEST, min(count // 10, _WIDEST)) | 1, count)

    @cached_property
    def trend(self) -> list[float]:
        """The running median of the values."""
        return running_median(self.values, self.window)

    @cached_property
    def noise(self) -> float:
        """The noise of the later half, which the steep start would distort."""
        return noise(self.values[-max(len(self.values) // 2, _STEADY) :])

    @property
    def lowest_index(self) -> int:
        """Index of the lowest value within the window in which the trend is lowest."""
        start = _start(self.trend.index(min(self.trend)), len(self.values), self.window)
        among = self.values[start : start + self.window]
        return start + among.index(min(among))


def running_median(values: Sequence[float], window: int) -> list[float]:
    """The median of the `window` values around each; at the ends, of the first or last `window`.

    A median follows a rising or falling curve and ignores spikes shorter than half the window
    (Tukey, 1977).
    """
    starts = (_start(index, len(values), window) for index in range(len(values)))
    return [median(values[start : start + window]) for start in starts]


def noise(values: Sequence[float]) -> float:
    """The standard deviation of a curve's values around its trend.

    √⅔·1.4826·median|r| with r = x − (mean of its neighbors): a steady rise or fall cancels out
    (Gasser, Sroka & Jennen-Steinmetz, 1986), and a few jumps do not count (median absolute
    deviation; Hampel, 1974). Fewer than three values give 0.
    """
    residuals = [
        abs(value - (before + after) / 2)
        for before, value, after in zip(values, values[1:], values[2:], strict=False)
    ]
    return math.sqrt(2 / 3) * _NORMAL * median(residuals) if residuals else 0.0


def _start(index: int, count: int, window: int) -> int:
    """Start of the window around `index`, shifted to lie within `count` values."""
    return min(max(index - window // 2, 0), count - window)
