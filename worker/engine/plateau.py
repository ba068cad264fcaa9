"""Lower the learning rate on a plateau, epoch by epoch as Keras's ReduceLROnPlateau."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ridgeline.spec.training import ReduceLROnPlateau
from worker.engine.improvement import Improvement


class Plateau:
    """Says after each epoch what the learning rate should be from now on."""

    def __init__(self, said: ReduceLROnPlateau) -> None:
        self._said = said
        self._better = Improvement(said)
        self.best: float | None = None
        self.cooldown = 0
        """Epochs that are yet not to be counted."""
        self.wait = 0
        """Epochs without an improvement."""

    def epoch_ended(self, values: Mapping[str, float | None], learning_rate: float) -> float | None:
        """Take an epoch's values and its learning rate; the new rate, or None where it stays."""
        value = values.get(self._said.monitor)
        if value is None:
            return None
        if self.cooldown > 0:
            self.cooldown -= 1
            self.wait = 0
        if self._better(value, self.best):
            self.best, self.wait = value, 0
            return None
        if self.cooldown > 0:
            return None
        self.wait += 1
        if self.wait < self._said.patience or learning_rate <= np.float32(self._said.min_lr):
            return None
        self.cooldown, self.wait = self._said.cooldown, 0
        return max(learning_rate * self._said.factor, self._said.min_lr)

    def state(self) -> dict[str, Any]:
        """All it remembers, as JSON values."""
        return {"best": self.best, "cooldown": self.cooldown, "wait": self.wait}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.best, self.cooldown, self.wait = state["best"], state["cooldown"], state["wait"]
