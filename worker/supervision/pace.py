"""How long the rest of a training will take."""

from collections import deque

from ridgeline.api.curves import EpochRow

RECENT = 10


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
