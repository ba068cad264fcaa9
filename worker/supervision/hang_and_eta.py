"""Detects a hung trainer, and estimates the time left."""

import time
from collections import deque
from collections.abc import Callable

from ridgeline.api.curves import EpochRow

TRAINING = "training"
"""The phase of the epochs."""
RECENT = 10
"""How many epochs the estimate averages."""
_SLOWER = 20
"""How many times as long as the slowest epoch so far another may take."""


class HangDetector:
    """Counts the seconds since a trainer last made progress: a new epoch, or a new phase.

    Messages alone are no progress. Between epochs the limit is 20 times the slowest epoch of this
    attempt, but at least `floor_s` and at most `limit_s`; in other phases, and before the first
    epoch, it is `limit_s`. Between two calls of idle_s() at most `look_s` count: in a longer gap
    this process was stopped or waited for the database, and the trainer may have been stopped too.
    """

    def __init__(
        self,
        limit_s: float,
        floor_s: float,
        look_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s = limit_s
        self._floor_s = floor_s
        self._look_s = look_s
        self._clock = clock
        self._looked_at = clock()
        self._idle_s = 0.0
        self._epoch = 0
        self._slowest_s: float | None = None
        self._phases: list[str] = []

    @property
    def phase(self) -> str | None:
        """The trainer's current phase."""
        return self._phases[-1] if self._phases else None

    def entered(self, phase: str) -> None:
        """Count a phase as progress, unless it was entered before."""
        if phase not in self._phases:
            self._phases.append(phase)
            self._reset()

    def resumed(self, epoch: int) -> None:
        """Continue after an epoch of an earlier attempt."""
        if epoch > self._epoch:
            self._epoch = epoch
            self._reset()

    def epoch_ended(self, epoch: int) -> None:
        """Count an epoch as progress, unless it was reported before."""
        if epoch > self._epoch:
            self._epoch = epoch
            self._slowest_s = max(self._slowest_s or 0.0, self.idle_s())
            self._reset()

    def idle_s(self) -> float:
        """Seconds of this process's own time since the last progress."""
        now = self._clock()
        self._idle_s += min(now - self._looked_at, self._look_s)
        self._looked_at = now
        return self._idle_s

    @property
    def limit_s(self) -> float:
        """From how many idle seconds on the trainer hangs."""
        if self.phase not in (TRAINING, None) or self._slowest_s is None:
            return self._limit_s
        return min(self._limit_s, max(self._floor_s, _SLOWER * self._slowest_s))

    def _reset(self) -> None:
        self._looked_at = self._clock()
        self._idle_s = 0.0


class EtaEstimator:
    """Estimates the remaining seconds from the most recent epochs, to follow a changing pace."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._done = 0
        self._measured = 0
        self._seconds: deque[float] = deque(maxlen=RECENT)

    def resumed(self, epoch: int) -> None:
        """Continue after an epoch of an earlier attempt, whose pace may differ."""
        self._done = epoch

    def epoch_ended(self, row: EpochRow) -> None:
        """Count an epoch."""
        # The first epoch includes compilation, so it says little about the others.
        if self._measured == 1:
            self._seconds.clear()
        self._measured += 1
        self._done = row.epoch
        self._seconds.append(row.seconds)

    @property
    def eta_s(self) -> float | None:
        """Seconds until the last epoch ends; None before the first."""
        if not self._seconds:
            return None
        return max(0, self._epochs - self._done) * sum(self._seconds) / len(self._seconds)
