"""What a noisy curve shows: its course without spikes, and how far single values stray from it."""

import math
from collections.abc import Sequence
from functools import cached_property
from statistics import median

#: 1/Φ⁻¹(¾): the standard deviation of normal numbers is so many times their median deviation.
_NORMAL = 1.4826


#: What a median is taken over at least and at most, in epochs.
_NARROWEST, _WIDEST = 3, 25
#: The fewest values that noise is judged by, if there are as many.
_STEADY = 5


class Curve:
    """A series as it was measured, one value an epoch, and its course."""

    def __init__(self, name: str, values: Sequence[float]) -> None:
        self.name = name
        self.values = values

    @property
    def window(self) -> int:
        """Over how many epochs a median is taken: a tenth of them, odd, 3 to 25."""
        count = len(self.values)
        return min(max(_NARROWEST, min(count // 10, _WIDEST)) | 1, count)

    @cached_property
    def course(self) -> list[float]:
        """The running median of the values."""
        return running_median(self.values, self.window)

    @cached_property
    def noise(self) -> float:
        """Over the later half: the steep start says nothing of how steady the end is."""
        return noise(self.values[-max(len(self.values) // 2, _STEADY) :])

    @property
    def least_place(self) -> int:
        """Where the least value is among those over which the course is least."""
        start = _start(self.course.index(min(self.course)), len(self.values), self.window)
        among = self.values[start : start + self.window]
        return start + among.index(min(among))


def running_median(values: Sequence[float], window: int) -> list[float]:
    """The median of the `window` values around each; at the ends, of the first or last `window`.

    A median follows a curve that rises or falls, and a spike shorter than half the window does not
    move it (Tukey, 1977).
    """
    starts = (_start(index, len(values), window) for index in range(len(values)))
    return [median(values[start : start + window]) for start in starts]


def noise(values: Sequence[float]) -> float:
    """The standard deviation of a curve's values about its course.

    From what each value r = x − (its neighbours' mean) strays by, √⅔·1.4826·median|r|: a steady
    rise or fall cancels out (Gasser, Sroka & Jennen-Steinmetz, 1986), and a few jumps do not count
    (median absolute deviation; Hampel, 1974). Fewer than three values show no noise: 0.
    """
    strays = [
        abs(value - (before + after) / 2)
        for before, value, after in zip(values, values[1:], values[2:], strict=False)
    ]
    return math.sqrt(2 / 3) * _NORMAL * median(strays) if strays else 0.0


def _start(index: int, count: int, window: int) -> int:
    """Where the window around `index` starts, moved to lie within `count` values."""
    return min(max(index - window // 2, 0), count - window)
