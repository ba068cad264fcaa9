"""The compiled epoch: a whole pass over the data as one TensorFlow function."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from ridgeline.planning.graph import BYTES_PER_NUMBER
from ridgeline.planning.memory import evaluation_rows
from worker.engine.model import Flow, Masks, Network
from worker.engine.objective import Objective
from worker.engine.optimization import apply_gradients


class Rows(NamedTuple):
    """Data on the device: features (rows, …) and encoded targets."""

    x: tf.Tensor
    y: tf.Tensor


class Controls(NamedTuple):
    """Inputs that may change from epoch to epoch without a retrace."""

    coefficients: tf.Tensor
    """Penalty coefficients, shape (terms,)."""
    rates: tf.Tensor
    """Dropout rates, shape (rated layers,)."""
    seed: tf.Tensor
    """Two int32 that determine every dropout mask of the epoch."""
    start: tf.Tensor
    """Rows of the epoch before these; at 0 the metrics are reset."""


class Sums(NamedTuple):
    """Measurements of a pass, each summed over its rows."""

    data_loss: tf.Tensor
    penalties: tf.Tensor
    """Shape (terms,); a step's penalties count for each of its rows."""
    metrics: dict[str, tf.Tensor]
    """Results over all rows since `start` was 0."""


MASK_BYTES = 64 * 2**20
"""Limit up to which all dropout masks of an epoch are drawn before it."""
Decode = Callable[[tf.Tensor], tf.Tensor]
_ORDER = tf.TensorSpec([None], tf.int32)
_START = tf.TensorSpec([], tf.int32)
_CONTROLS = Controls(
    coefficients=tf.TensorSpec([None], tf.float32),
    rates=tf.TensorSpec([None], tf.float32),
    seed=tf.TensorSpec([2], tf.int32),
    start=_START,
)


class CompiledEpoch:
    """Trains and evaluates a network, one compiled call per pass.

    One step minimizes data_loss + Σ penalties. The steps run inside the function
    (`tf.while_loop`), gathering each batch by a slice of the permutation, so nothing returns to
    Python before the end of the epoch, or of a block if the rows do not fit on the device.
    It agrees with `keras.Model.fit` on the same batches.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        row_spec: Rows,
        decode: Decode,
        *,
        rows: int,
        batch_size: int,
    ) -> None:
        """`rows` is the number trained on per call: all of them, or a block."""
        self._network = network
        self._objective = objective
        self._decode = decode
        self._variables = network.model.trainable_variables
        self._proximal = {
            number: next(i for i, v in enumerate(self._variables) if v is variable)
            for number, variable in objective.penalties.proximal.items()
        }
        self._batch_size = batch_size
        self._draws_ahead = BYTES_PER_NUMBER * rows * network.mask_numbers <= MASK_BYTES
        self._evaluated = evaluation_rows(network.graph, batch_size=batch_size)
        # No autograph: the loops are explicit, and tracing is several times faster.
        # The number of rows is dynamic, so that validation and test share one trace.
        self.train = tf.function(
            self._train, autograph=False, input_signature=(row_spec, _ORDER, _CONTROLS)
        )
        self.evaluate = tf.function(
            self._evaluate,
            autograph=False,
            input_signature=(row_spec, _CONTROLS.coefficients, _START),
        )

    def _train(self, rows: Rows, order: tf.Tensor, controls: Controls) -> Sums:
        """Train on `rows` in the given order (a permutation, shape (rows,))."""
        self._reset(controls.start)
        block_seed = controls.seed + tf.stack([controls.start, 0])
        masks: Masks = {}
        if self._draws_ahead:
            masks = self._network.draw_masks(tf.shape(order)[0], controls.rates, block_seed)

        def step(start: tf.Tensor, data_loss: tf.Tensor, penalties: tf.Tensor) -> list[tf.Tensor]:
            end = start + self._batch_size
            indices = order[start:end]
            batch = Rows(tf.gather(rows.x, indices), tf.gather(rows.y, indices))
            drawn = {name: mask[start:end] for name, mask in masks.items()}
            seed = block_seed + tf.stack([start, 0])
            batch_loss, batch_penalties = self._step(batch, drawn, controls._replace(seed=seed))
            weight = tf.cast(tf.shape(indices)[0], tf.float32)
            return [
                start + self._batch_size,
                data_loss + weight * batch_loss,
                penalties + weight * batch_penalties,
            ]

        _, data_loss, penalties = self._loop(step, self._zeros(), tf.shape(order)[0])
        return Sums(data_loss, penalties, self._results())

    def _step(self, batch: Rows, drawn: Masks, controls: Controls) -> tuple[tf.Tensor, tf.Tensor]:
        """One gradient step."""
        loss, penalties_of = self._objective.loss, self._objective.penalties
        weights = self._objective.row_weights(batch.y)
        variables = [variable.value for variable in self._variables]
        with tf.GradientTape() as tape:
            x = self._decode(batch.x)
            flow = self._network.train(x, batch.y, controls.rates, controls.seed, drawn)
            data_loss = loss(flow.target, flow.prediction, sample_weight=weights)
            penalties = penalties_of(controls.coefficients, flow.outputs)
            minimized = data_loss + penalties_of.differentiated(penalties)
            scaled = self._objective.optimizer.scale_loss(minimized)
        gradients = tape.gradient(scaled, variables)
        thresholds = {
            variable: controls.coefficients[number] for number, variable in self._proximal.items()
        }
        apply_gradients(self._objective.optimizer, gradients, self._variables, thresholds)
        self._update(flow.target, flow.prediction)
        return data_loss, penalties

    def _evaluate(self, rows: Rows, coefficients: tf.Tensor, start: tf.Tensor) -> Sums:
        """Measure `rows` in inference mode, at the present weights."""
        count = tf.shape(rows.x)[0]
        self._reset(start)

        def step(start: tf.Tensor, data_loss: tf.Tensor, penalties: tf.Tensor) -> list[tf.Tensor]:
            x, y = (part[start : start + self._evaluated] for part in rows)
            flow = self._network.infer(self._decode(x))
            self._update(y, flow.prediction)
            weight = tf.cast(tf.shape(x)[0], tf.float32)
            return [
                start + self._evaluated,
                data_loss + weight * self._objective.loss(y, flow.prediction),
                penalties + weight * self._output_penalties(coefficients, flow),
            ]

        _, data_loss, penalties = self._loop(step, self._zeros(), count)
        if not self._objective.penalties.on_outputs:  # the weights alone say them, once
            penalties = tf.cast(count, tf.float32) * self._objective.penalties(coefficients, {})
        return Sums(data_loss, penalties, self._results())

    def _output_penalties(self, coefficients: tf.Tensor, flow: Flow) -> tf.Tensor:
        penalties = self._objective.penalties
        if not penalties.on_outputs:
            return tf.zeros([len(penalties.terms)])
        return penalties(coefficients, flow.outputs)

    def _zeros(self) -> list[tf.Tensor]:
        terms = len(self._objective.penalties.terms)
        return [tf.constant(0), tf.constant(0.0), tf.zeros([terms])]

    def _loop(self, step, state: list[tf.Tensor], count: tf.Tensor) -> list[tf.Tensor]:  # type: ignore[no-untyped-def]
        # Steps depend on each other through the weights: one at a time.
        return tf.while_loop(lambda start, *_: start < count, step, state, parallel_iterations=1)

    def _reset(self, start: tf.Tensor) -> None:
        """Reset the metrics at the first row of a pass."""
        for metric in self._metrics.values():
            for variable in metric.variables:
                value = variable.value
                variable.assign(tf.where(start == 0, tf.zeros_like(value), value))

    def _update(self, y: tf.Tensor, predicted: tf.Tensor) -> None:
        for metric in self._metrics.values():
            metric.update_state(y, predicted)

    def _results(self) -> dict[str, tf.Tensor]:
        return {name: metric.result() for name, metric in self._metrics.items()}

    @property
    def _metrics(self) -> Mapping[str, tf.Tensor]:
        return self._objective.metrics
