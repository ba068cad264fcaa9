"""One optimizer step: clip, decay, update, threshold, average, constrain."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from worker.engine.optimization.fused import Update, kernel_of
from worker.engine.regularization.clipping import Gradient, clip
from worker.engine.regularization.constraint import constrain
from worker.engine.regularization.ema import average
from worker.engine.regularization.proximal import threshold
from worker.engine.regularization.weight_decay import decay

Variables = Sequence[keras.Variable]


def apply_gradients(
    optimizer: keras.Optimizer,
    gradients: Sequence[Gradient | None],
    variables: Variables,
    proximal: Mapping[int, tf.Tensor] | None = None,
) -> None:
    """Take one step, as `optimizer.apply` does, and leave the optimizer's state as it would.

    `variables` are all the optimizer was built for, in order; one without a gradient is left
    alone. `proximal` maps a variable's place among them to an L1 coefficient, a scalar: the
    variable is thresholded right after the update (worker.engine.regularization.proximal).

    Keras writes a step out as a dozen operations a variable, which is half the time of a small
    network's epoch. Here it is one by a fused kernel, where there is one, and a few more for each
    option in use.
    """
    if optimizer.gradient_accumulation_steps or _scales_loss(optimizer):
        _apply_by_keras(optimizer, gradients, variables, proximal or {})
        return
    rate = tf.convert_to_tensor(optimizer.learning_rate)
    updates = _updates(optimizer, gradients, variables)
    moved = [update.variable for update in updates]
    decay(optimizer, moved, rate)
    _update(optimizer, updates, rate)
    if proximal:
        step = tf.cast(optimizer.iterations.value + 1, tf.float32)
        threshold(optimizer, variables, proximal, rate, step)
    average(optimizer, variables)
    constrain(moved)
    optimizer.iterations.assign_add(1)


def finalize(optimizer: keras.Optimizer, variables: Variables) -> None:
    """Put the averages in the weights' place, if there are any, as `fit` does at its end."""
    optimizer.finalize_variable_values(variables)


def _updates(
    optimizer: keras.Optimizer, gradients: Sequence[Gradient | None], variables: Variables
) -> list[Update]:
    given = [index for index, gradient in enumerate(gradients) if gradient is not None]
    clipped = clip(optimizer, [gradients[index] for index in given])
    return [
        Update(index, variables[index], gradient)
        for index, gradient in zip(given, clipped, strict=True)
    ]


def _update(optimizer: keras.Optimizer, updates: Sequence[Update], rate: tf.Tensor) -> None:
    """Keras does what has no kernel, and embeddings' sparse gradients.

    Of rows that a batch holds several times it squares each before it sums them, which no kernel
    does.
    """
    kernel = kernel_of(optimizer)
    dense: list[Update] = []
    rest: list[Update] = []
    for update in updates:
        sparse = isinstance(update.gradient, tf.IndexedSlices)
        (rest if sparse or kernel is None else dense).append(update)
    if kernel is not None:
        kernel(optimizer, dense, rate)
    if rest:
        gradients = [update.gradient for update in rest]
        optimizer._backend_update_step(  # noqa: SLF001
            gradients, [update.variable for update in rest], rate
        )


def _apply_by_keras(
    optimizer: keras.Optimizer,
    gradients: Sequence[Gradient | None],
    variables: Variables,
    proximal: Mapping[int, tf.Tensor],
) -> None:
    """Let Keras accumulate or unscale the gradients; threshold only where it then took a step.

    The moving average has seen the weights before they are thresholded.
    """
    rate = tf.convert_to_tensor(optimizer.learning_rate)
    before = tf.identity(optimizer.iterations)
    optimizer.apply(gradients, variables)
    if not proximal:
        return
    taken = tf.cast(optimizer.iterations - before, rate.dtype)
    inner = optimizer.inner_optimizer if _scales_loss(optimizer) else optimizer
    step = tf.cast(before + 1, tf.float32)
    threshold(inner, variables, proximal, rate * taken, step)
    constrain(variables)


def _scales_loss(optimizer: keras.Optimizer) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
