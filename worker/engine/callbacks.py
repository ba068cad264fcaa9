"""Early stopping (Prechelt, 1998), epoch by epoch as Keras's callback.

Lower the learning rate on a plateau, epoch by epoch as Keras's ReduceLROnPlateau.

Whether a monitored value is better than another.

What watches the epochs: state machines that a checkpoint can hold.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ridgeline.spec import training
from ridgeline.spec.training import EarlyStopping, ReduceLROnPlateau


class Judgement(NamedTuple):
    """What an epoch was: whether training should end, and whether its weights are the best."""

    stop: bool
    best: bool


class EarlyStopper:
    """Says after each epoch whether to stop, and whose weights to keep.

    It keeps no weights itself: where `best` is said they are the ones to end with, if
    `restore_best_weights` was asked for. Keras restores them at the end of every run, stopped early
    or not.
    """

    def __init__(self, said: training.EarlyStopping) -> None:
        self.restores_best = said.restore_best_weights
        self._said = said
        self._better = Improvement(said)
        self.best: float | None = None
        self.best_epoch: int | None = None
        """The epoch, from 1, whose weights are the best."""
        self.wait = 0
        """Epochs without an improvement."""

    def epoch_ended(self, epoch: int, values: Mapping[str, float | None]) -> Judgement:
        """Take the values of an epoch, from 1. Without the monitored one nothing changes."""
        value = values.get(self._said.monitor)
        if value is None or epoch <= self._said.start_from_epoch:
            return Judgement(stop=False, best=False)
        self.wait += 1
        if self._better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self._said.baseline is None or self._better(value, self._said.baseline):
                self.wait = 0
            return Judgement(stop=False, best=True)
        return Judgement(stop=self.wait >= self._said.patience and epoch > 1, best=False)

    def state(self) -> dict[str, Any]:
        """All it remembers, as JSON values."""
        return {"best": self.best, "best_epoch": self.best_epoch, "wait": self.wait}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.wait = state["wait"]


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


class Improvement:
    """Compares as Keras's MonitorCallback does: by more than `min_delta`, in float32.

    NaN is never better, and nothing is better than NaN.
    """

    def __init__(self, said: EarlyStopping | ReduceLROnPlateau) -> None:
        self._rising = said.direction == "max"
        self._min_delta = said.min_delta

    def __call__(self, value: float, reference: float | None) -> bool:
        """Whether `value` improves on `reference`; on None anything does."""
        if reference is None:
            return True
        with np.errstate(over="ignore"):
            if self._rising:
                return bool(np.float32(value - self._min_delta) > np.float32(reference))
            return bool(np.float32(value + self._min_delta) < np.float32(reference))
