"""Early stopping (Prechelt, 1998), epoch by epoch as Keras's callback."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ridgeline.spec import training
from worker.engine.improvement import Improvement


class Judgement(NamedTuple):
    """What an epoch was: whether training should end, and whether its weights are the best."""

    stop: bool
    best: bool


class EarlyStopping:
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
