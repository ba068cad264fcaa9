"""Early stopping (Prechelt, 1998) and ReduceLROnPlateau as state machines.

They decide as Keras's callbacks do, and a checkpoint can hold their state.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ridgeline.spec import training
from ridgeline.spec.training import EarlyStopping, ReduceLROnPlateau


class Judgement(NamedTuple):
    """Whether training should end after an epoch, and whether its weights are the best so far."""

    stop: bool
    best: bool


class EarlyStopper:
    """Decides after each epoch whether to stop, and whose weights to keep.

    It keeps no weights itself: the caller keeps those of the last epoch with `best`, if
    `restore_best_weights` is set. Like Keras, they are restored at the end of every run, stopped
    early or not.
    """

    def __init__(self, settings: training.EarlyStopping) -> None:
        self.restores_best = settings.restore_best_weights
        self._settings = settings
        self._better = Improvement(settings)
        self.best: float | None = None
        self.best_epoch: int | None = None
        """The epoch, from 1, whose weights are the best."""
        self.wait = 0
        """Epochs without an improvement."""

    def epoch_ended(self, epoch: int, values: Mapping[str, float | None]) -> Judgement:
        """Judge epoch `epoch`, counted from 1. Without the monitored value nothing changes."""
        value = values.get(self._settings.monitor)
        if value is None or epoch <= self._settings.start_from_epoch:
            return Judgement(stop=False, best=False)
        self.wait += 1
        if self._better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self._settings.baseline is None or self._better(value, self._settings.baseline):
                self.wait = 0
            return Judgement(stop=False, best=True)
        return Judgement(stop=self.wait >= self._settings.patience and epoch > 1, best=False)

    def explain(self, epoch: int, epochs: int) -> str:
        """Why training ended after `epoch` of `epochs`, and which epoch was the best."""
        settings, waited = self._settings, f"for {self.wait} epoch{'s' * (self.wait != 1)}"
        baseline, delta = settings.baseline, settings.min_delta
        if baseline is not None and not (
            self.best is not None and self._better(self.best, baseline)
        ):
            failed = f"had not beaten the baseline of {baseline:g} {waited}"
        else:
            failed = f"had not improved {f'by more than {delta:g} ' if delta else ''}{waited}"
        detail = (
            f"Early stopping ended the training after epoch {epoch} of {epochs}:"
            f" {settings.monitor} {failed}."
        )
        if self.best is None:
            return detail
        kept = ", whose weights were kept" if self.restores_best else ""
        return (
            f"{detail} Its best value, {self.best:.4g}, was that of epoch {self.best_epoch}{kept}."
        )

    def state(self) -> dict[str, Any]:
        """The state, as JSON values."""
        return {"best": self.best, "best_epoch": self.best_epoch, "wait": self.wait}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a `state()`."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.wait = state["wait"]


class Plateau:
    """Decides after each epoch whether the learning rate is lowered."""

    def __init__(self, settings: ReduceLROnPlateau) -> None:
        self._settings = settings
        self._better = Improvement(settings)
        self.best: float | None = None
        self.cooldown = 0
        """Epochs left in which none is counted."""
        self.wait = 0
        """Epochs without an improvement."""

    def epoch_ended(self, values: Mapping[str, float | None], learning_rate: float) -> float | None:
        """The new learning rate after an epoch's values, or None if it stays."""
        value = values.get(self._settings.monitor)
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
        if self.wait < self._settings.patience or learning_rate <= np.float32(
            self._settings.min_lr
        ):
            return None
        self.cooldown, self.wait = self._settings.cooldown, 0
        return max(learning_rate * self._settings.factor, self._settings.min_lr)

    def state(self) -> dict[str, Any]:
        """The state, as JSON values."""
        return {"best": self.best, "cooldown": self.cooldown, "wait": self.wait}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a `state()`."""
        self.best, self.cooldown, self.wait = state["best"], state["cooldown"], state["wait"]


class Improvement:
    """Compares monitored values as Keras's MonitorCallback does.

    A value improves by more than `min_delta`, in float32. NaN is never better, and
    nothing is better than NaN.
    """

    def __init__(self, settings: EarlyStopping | ReduceLROnPlateau) -> None:
        self._rising = settings.direction == "max"
        self._min_delta = settings.min_delta

    def __call__(self, value: float, reference: float | None) -> bool:
        """Whether `value` improves on `reference`; anything improves on None."""
        if reference is None:
            return True
        with np.errstate(over="ignore"):
            if self._rising:
                return bool(np.float32(value - self._min_delta) > np.float32(reference))
            return bool(np.float32(value + self._min_delta) < np.float32(reference))
