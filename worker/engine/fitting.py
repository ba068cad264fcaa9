"""The loop over epochs: measurements, callbacks, checkpoints, and resuming from one."""

import time
from typing import Any, Protocol

import structlog
import tensorflow as tf

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode
from ridgeline.api.report import Raise
from ridgeline.planning.resolve import Resolution
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from worker.engine.callbacks import EarlyStopper, Plateau
from worker.engine.checkpoint import Checkpoint, CheckpointStore, Keeper
from worker.engine.context import TrainingContext, TrainingFailed, TrainingStopped
from worker.engine.data import Data
from worker.engine.epoch import CompiledEpoch, Controls
from worker.engine.model import Network
from worker.engine.objective import Objective
from worker.engine.optimization import finalize
from worker.engine.passes import Passes, epoch_row, evaluate_pass, place, prefixed, train_pass
from worker.engine.regularization.raising import RaiseOnOverfit
from worker.engine.seeds import mask_seed, row_order, sample_rows, set_generators
from worker.engine.state import Arrays, flat, restore, restore_weights, snapshot, under

log = structlog.get_logger()

SAMPLE_ROWS = 1024
"""Training rows for measuring the gap: an accuracy of 0.9 then has a standard error of 0.01."""


class Stateful(Protocol):
    """State that a checkpoint holds besides the variables."""

    def state(self) -> dict[str, Any]:
        """The state, as JSON values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""


class Fitting:
    """Trains a network epoch by epoch.

    The next epoch depends only on the variables and the state in the checkpoint, so a resumed
    training continues as if it had never stopped.
    """

    def __init__(
        self,
        resolution: Resolution,
        network: Network,
        objective: Objective,
        epoch: CompiledEpoch,
        data: Data,
    ) -> None:
        training, policy = resolution.spec.training, resolution.spec.regularization
        self.training = training
        self.rows: list[EpochRow] = []
        """The measurements of every epoch, including those before a resumption."""
        self._network, self._objective, self._epoch = network, objective, epoch
        early, plateau = training.early_stopping, training.reduce_lr_on_plateau
        self._early = EarlyStopper(early) if early else None
        self._plateau = Plateau(plateau) if plateau else None
        self._raising = RaiseOnOverfit(
            policy, network.rates, network.dropping, resolution.penalties
        )
        self.kept_epoch: int | None = None
        """The epoch whose weights were kept, if it was not the last."""
        self.stopped: str | None = None
        """Why early stopping ended the training before its last epoch; None if it did not."""
        self._best: dict[str, Arrays] = {}
        batch_size = training.batch_size
        self._train = place(data.train, batch_size=batch_size)
        sample = data.train.take(sample_rows(training.seed, data.train.rows, SAMPLE_ROWS))
        self._sample = place(sample, batch_size=batch_size)
        self._validation = place(data.validation, batch_size=batch_size)
        self._test = place(data.test, batch_size=batch_size)

    @property
    def penalties(self) -> tuple[PenaltyTerm, ...]:
        """The penalty terms with the coefficients of the last epoch."""
        return tuple(
            term.model_copy(update={"coefficient": coefficient})
            for term, coefficient in zip(
                self._objective.penalties.terms, self._raising.coefficients, strict=True
            )
        )

    @property
    def rates(self) -> list[float]:
        """The strengths of the layers that drop, those of the last epoch."""
        return self._raising.rates

    @property
    def raises(self) -> list[Raise]:
        """The raises made because the model overfitted."""
        return self._raising.raises

    @property
    def ending(self) -> str | None:
        """How training ended; None if with its last epoch and that one's weights."""
        if self.stopped is not None or self.kept_epoch in (None, len(self.rows)):
            return self.stopped
        return f"All epochs ran; the weights of epoch {self.kept_epoch}, the best one, were kept."

    def run(self, context: TrainingContext, checkpoints: CheckpointStore | None) -> None:
        """Run the remaining epochs, and end with the weights to keep.

        Raises TrainingFailed if a loss is no longer finite, TrainingStopped after a checkpoint if
        the context asks to stop.
        """
        keeper = Keeper(checkpoints, context.checkpoint_interval_s)
        self._resume(keeper.newest(), context)
        while len(self.rows) < self.training.epochs:
            row = self.run_epoch(len(self.rows) + 1)
            self.rows.append(row)
            context.epoch_ended(row)
            self._check_finite(row)
            if self._follow(row):
                break
            if row.epoch < self.training.epochs and context.stop_requested():
                keeper.keep(self._checkpoint())
                raise TrainingStopped
            if keeper.due:
                keeper.keep(self._checkpoint())
        self._finish()

    def final_values(self) -> dict[str, float | None]:
        """The values of the kept epoch, and of the test rows under the kept weights."""
        values = dict(self.rows[(self.kept_epoch or len(self.rows)) - 1].values)
        if self.training.optimizer.use_ema and self.kept_epoch is None:
            values |= self._averaged_values()
        if self._test.part.rows:
            measured = evaluate_pass(self._epoch, self._test, self._coefficients())
            values |= prefixed("test_", measured)
        return values

    def _averaged_values(self) -> dict[str, float | None]:
        """Measure again: averages have replaced the weights that the last epoch measured."""
        parts = {"train_": self._sample, "val_": self._validation}
        values: dict[str, float | None] = {}
        for prefix, placed in parts.items():
            if placed.part.rows:
                measured = evaluate_pass(self._epoch, placed, self._coefficients())
                values |= prefixed(prefix, measured)
        held_out, trained = values.get("val_data_loss"), values.get("train_data_loss")
        if held_out is not None and trained is not None:
            values["gap"] = held_out - trained
        return values

    def _coefficients(self) -> tf.Tensor:
        coefficients = self._raising.coefficients
        return tf.constant(coefficients, tf.float32, [len(coefficients)])

    def run_epoch(self, number: int) -> EpochRow:
        """Train one epoch and measure it."""
        started = time.perf_counter()
        seed, raising = self.training.seed, self._raising
        coefficients = self._coefficients()
        rates = tf.constant(raising.rates, tf.float32, [len(raising.rates)])
        controls = Controls(coefficients, rates, mask_seed(seed, number), tf.constant(0))
        set_generators(self._network.generators, seed, number)
        order = row_order(seed, number, self._train.part.rows)
        # The settings at the start of the epoch: a schedule changes the rate at every step.
        settings = {"learning_rate": self.learning_rate} | raising.settings
        trained = train_pass(self._epoch, self._train, order, controls)
        sample = evaluate_pass(self._epoch, self._sample, coefficients)
        validated = None
        if self._validation.part.rows:
            validated = evaluate_pass(self._epoch, self._validation, coefficients)
        passes = Passes(trained, sample, validated)
        seconds = time.perf_counter() - started
        return epoch_row(number, passes, self._objective.penalties.terms, settings, seconds)

    def _follow(self, row: EpochRow) -> bool:
        """Run the callbacks after an epoch; return whether training is over."""
        if self._plateau is not None:
            rate = self._plateau.epoch_ended(row.values, self.learning_rate)
            if rate is not None:
                self._objective.optimizer.learning_rate = rate
        stop = False
        if self._early is not None:
            stop, best = self._early.epoch_ended(row.epoch, row.values)
            if best and self._early.restores_best:
                self._best["early_stopping"] = snapshot(self._network, self._objective)
            if stop and row.epoch < self.training.epochs:
                self.stopped = self._early.explain(row.epoch, self.training.epochs)
                log.info("stopped_early", epoch=row.epoch, detail=self.stopped)
        word = self._raising.epoch_ended(row.epoch, row.values)
        if word == "best":
            self._best["raise"] = snapshot(self._network, self._objective)
        # Not after the last epoch: nothing would be trained with the raise.
        if word == "raise" and not stop and row.epoch < self.training.epochs:
            self._raise(row.epoch)
        return stop

    def _raise(self, epoch: int) -> None:
        """Restore the best weights, and continue with more regularization."""
        restore(self._network, self._objective, self._best["raise"])
        self._raising.increase(epoch)
        if self._early is not None:
            self._early.wait = 0

    def _finish(self) -> None:
        """Give the model the weights to keep."""
        finalize(self._objective.optimizer, self._network.model.trainable_variables)
        best = self._best.get("early_stopping")
        if best is not None and self._early is not None:
            restore_weights(self._network, best)
            self.kept_epoch = self._early.best_epoch

    def _resume(self, checkpoint: Checkpoint | None, context: TrainingContext) -> None:
        if checkpoint is None:
            return
        state, arrays = checkpoint.state, checkpoint.arrays
        restore(self._network, self._objective, under("current", arrays))
        self._best = {name: under(f"best/{name}", arrays) for name in state["best"]}
        for name, holder in self._holders().items():
            holder.restore(state[name])
        self.rows = list(checkpoint.rows)
        context.resumed(self.rows)

    def _checkpoint(self) -> Checkpoint:
        arrays = {"current": snapshot(self._network, self._objective)}
        arrays |= {f"best/{name}": best for name, best in self._best.items()}
        state: dict[str, Any] = {"best": list(self._best)}
        state |= {name: holder.state() for name, holder in self._holders().items()}
        return Checkpoint(len(self.rows), flat(arrays), state, tuple(self.rows))

    def _holders(self) -> dict[str, Stateful]:
        """The callbacks that keep state between epochs."""
        holders = {
            "early_stopping": self._early,
            "plateau": self._plateau,
            "raising": self._raising,
        }
        return {name: holder for name, holder in holders.items() if holder is not None}

    @property
    def learning_rate(self) -> float:
        """The optimizer's current learning rate."""
        return float(self._objective.optimizer.learning_rate)

    def _check_finite(self, row: EpochRow) -> None:
        monitored = ("data_loss", "penalty", "val_data_loss", "train_data_loss")
        broken = [name for name in monitored if name in row.nonfinite]
        if not broken:
            return
        raise TrainingFailed(
            EndCode.DIVERGED,
            f"{', '.join(broken)} became infinite or NaN in epoch {row.epoch}; lower"
            f" training.optimizer.learning_rate (it was {self.learning_rate:g}) or the"
            " regularization strength",
        )
