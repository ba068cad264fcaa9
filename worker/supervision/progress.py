"""Whether a trainer gets on. One that says something, but gets no further, hangs all the same.

How long the rest of a training will take.
"""

import time
from collections import deque
from collections.abc import Callable

from ridgeline.api.curves import EpochRow

TRAINING = "training"
"""The phase of the epochs."""


_SLOWER = 20
"""How much longer than the slowest epoch so far another may take."""


RECENT = 10


class Progress:
    """Counts the time since a trainer last came further: by a new epoch, or into a new phase.

    Between epochs `limit_s` of it are a hang or, if that is less, 20 times what the slowest epoch
    of this attempt has taken, and at least `floor_s`. Elsewhere, where nothing was measured, it is
    `limit_s`. No look is taken to be more than `look_s` after the one before: in a longer gap this
    process was stopped or waited for the database, and the trainer may have been stopped with it.
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
        """What the trainer does."""
        return self._phases[-1] if self._phases else None

    def entered(self, phase: str) -> None:
        """Take note of a phase; one it has been in before is no progress."""
        if phase not in self._phases:
            self._phases.append(phase)
            self._came_further()

    def resumed(self, epoch: int) -> None:
        """Go on behind an epoch of an earlier attempt."""
        if epoch > self._epoch:
            self._epoch = epoch
            self._came_further()

    def epoch_ended(self, epoch: int) -> None:
        """Take note of an epoch; one that was told before is no progress."""
        if epoch > self._epoch:
            self._epoch = epoch
            self._slowest_s = max(self._slowest_s or 0.0, self.idle_s())
            self._came_further()

    def idle_s(self) -> float:
        """Seconds of this process's own time since the trainer came further."""
        now = self._clock()
        self._idle_s += min(now - self._looked_at, self._look_s)
        self._looked_at = now
        return self._idle_s

    @property
    def limit_s(self) -> float:
        """How many such seconds are a hang."""
        if self.phase not in (TRAINING, None) or self._slowest_s is None:
            return self._limit_s
        return min(self._limit_s, max(self._floor_s, _SLOWER * self._slowest_s))

    def _came_further(self) -> None:
        self._looked_at = self._clock()
        self._idle_s = 0.0


class Pace:
    """Estimates from the most recent epochs, so a pace that changes is followed."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._done = 0
        self._measured = 0
        self._seconds: deque[float] = deque(maxlen=RECENT)

    def resumed(self, epoch: int) -> None:
        """Go on behind an epoch of an earlier attempt, whose pace need not be this one's."""
        self._done = epoch

    def took(self, row: EpochRow) -> None:
        """Count an epoch."""
        # The first epoch compiles the network, so it says little about the others.
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
