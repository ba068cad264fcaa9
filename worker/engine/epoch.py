"""The compiled epoch: a whole pass over the data as one TensorFlow function."""

from typing import NamedTuple

import tensorflow as tf

from ridgeline.contract.graph import evaluation_rows
from worker.engine.model import Network
from worker.engine.objective import Objective
from worker.engine.optimization import apply_gradients


class Rows(NamedTuple):
    """Data that lies on the device: features (rows, …) and encoded targets."""

    x: tf.Tensor
    y: tf.Tensor


class Controls(NamedTuple):
    """What may change from epoch to epoch without a retrace."""

    coefficients: tf.Tensor
    """Penalty coefficients, shape (terms,)."""
    rates: tf.Tensor
    """Dropout rates, shape (dropouts,)."""
    seed: tf.Tensor
    """Two int32 from which every dropout mask of the epoch follows."""


class Measured(NamedTuple):
    """What a pass measured; each a mean over its rows."""

    data_loss: tf.Tensor
    penalties: tf.Tensor
    """Shape (terms,); in training the mean over the steps, each weighted by its rows."""
    metrics: dict[str, tf.Tensor]


_ORDER = tf.TensorSpec([None], tf.int32)
_CONTROLS = Controls(
    coefficients=tf.TensorSpec([None], tf.float32),
    rates=tf.TensorSpec([None], tf.float32),
    seed=tf.TensorSpec([2], tf.int32),
)


class CompiledEpoch:
    """Trains and evaluates a network, a compiled call per pass.

    One step minimizes data_loss + Σ penalties. The steps run inside the function
    (`tf.while_loop`), gathering each batch by a slice of the permutation, so nothing returns to
    Python until the epoch has ended. It agrees with `keras.Model.fit` on the same batches.
    """

    def __init__(
        self, network: Network, objective: Objective, row_spec: Rows, *, batch_size: int
    ) -> None:
        self._network = network
        self._loss, self._penalties, self._metrics, self._optimizer = objective
        self._variables = network.model.trainable_variables
        self._batch_size = batch_size
        self._evaluated = evaluation_rows(network.graph, batch_size=batch_size)
        # No autograph: the loops are written out, and tracing takes a fraction of the time.
        # Numbers of rows are left open, so that validation and test share one trace.
        self.train = tf.function(
            self._train, autograph=False, input_signature=(row_spec, _ORDER, _CONTROLS)
        )
        self.evaluate = tf.function(
            self._evaluate, autograph=False, input_signature=(row_spec, _CONTROLS.coefficients)
        )

    def _train(self, rows: Rows, order: tf.Tensor, controls: Controls) -> Measured:
        """One pass over `rows` in the given order (a permutation, shape (rows,))."""
        count = tf.shape(order)[0]
        self._reset()

        def step(start: tf.Tensor, data_loss: tf.Tensor, penalties: tf.Tensor) -> list[tf.Tensor]:
            taken = order[start : start + self._batch_size]
            batch = Rows(tf.gather(rows.x, taken), tf.gather(rows.y, taken))
            seed = controls.seed + tf.stack([start, 0])
            batch_loss, batch_penalties = self._step(batch, controls._replace(seed=seed))
            weight = tf.cast(tf.shape(taken)[0], tf.float32)
            return [
                start + self._batch_size,
                data_loss + weight * batch_loss,
                penalties + weight * batch_penalties,
            ]

        start = [tf.constant(0), tf.constant(0.0), tf.zeros([len(self._penalties.terms)])]
        _, data_loss, penalties = self._loop(step, start, count)
        total = tf.cast(count, tf.float32)
        return Measured(data_loss / total, penalties / total, self._results())

    def _step(self, batch: Rows, controls: Controls) -> tuple[tf.Tensor, tf.Tensor]:
        """One gradient step."""
        variables = [variable.value for variable in self._variables]
        with tf.GradientTape() as tape:
            predicted = self._network.train(batch.x, controls.rates, controls.seed)
            data_loss = self._loss(batch.y, predicted)
            penalties = self._penalties(controls.coefficients)
            objective = data_loss + tf.reduce_sum(penalties)
        gradients = tape.gradient(objective, variables)
        apply_gradients(self._optimizer, gradients, self._variables)
        self._update(batch.y, predicted)
        return data_loss, penalties

    def _evaluate(self, rows: Rows, coefficients: tf.Tensor) -> Measured:
        """Measure `rows` in inference mode, at the present weights."""
        count = tf.shape(rows.x)[0]
        self._reset()

        def step(start: tf.Tensor, data_loss: tf.Tensor) -> list[tf.Tensor]:
            x, y = (part[start : start + self._evaluated] for part in rows)
            predicted = self._network.predict(x)
            self._update(y, predicted)
            weight = tf.cast(tf.shape(x)[0], tf.float32)
            return [start + self._evaluated, data_loss + weight * self._loss(y, predicted)]

        _, data_loss = self._loop(step, [tf.constant(0), tf.constant(0.0)], count)
        mean = data_loss / tf.cast(count, tf.float32)
        return Measured(mean, self._penalties(coefficients), self._results())

    def _loop(self, step, state: list[tf.Tensor], count: tf.Tensor) -> list[tf.Tensor]:  # type: ignore[no-untyped-def]
        # Steps depend on each other through the weights: one at a time.
        return tf.while_loop(lambda start, *_: start < count, step, state, parallel_iterations=1)

    def _reset(self) -> None:
        for metric in self._metrics.values():
            metric.reset_state()

    def _update(self, y: tf.Tensor, predicted: tf.Tensor) -> None:
        for metric in self._metrics.values():
            metric.update_state(y, predicted)

    def _results(self) -> dict[str, tf.Tensor]:
        return {name: metric.result() for name, metric in self._metrics.items()}
