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
    """Take one step, with the same effect on variables and state as `optimizer.apply`.

    `variables` are all that the optimizer was built for, in order; one without a gradient is
    skipped. `proximal` maps a variable's index to a scalar L1 coefficient: the variable is
    thresholded right after the update (worker.engine.regularization.proximal).

    Keras's step has a dozen operations per variable, which take half the time of a small network's
    epoch. Here it is one fused kernel, if there is one, and a few more per option in use.
    """
    gradients = _densified(optimizer, gradients)
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
    """Replace the weights by their averages, if there are any, as `fit` does at its end."""
    optimizer.finalize_variable_values(variables)


def _densified(
    optimizer: keras.Optimizer, gradients: Sequence[Gradient | None]
) -> Sequence[Gradient | None]:
    """The gradients, without sparse ones if the optimizer cannot take them.

    Adafactor's means are over whole rows and columns of a matrix; Keras's code for sparse gradients
    takes them for slices of it and fails.
    """
    inner = optimizer.inner_optimizer if _scales_loss(optimizer) else optimizer
    if not isinstance(inner, keras.optimizers.Adafactor):
        return gradients
    return [
        tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient
        for gradient in gradients
    ]


def _updates(
    optimizer: keras.Optimizer, gradients: Sequence[Gradient | None], variables: Variables
) -> list[Update]:
    present = [index for index, gradient in enumerate(gradients) if gradient is not None]
    clipped = clip(optimizer, [gradients[index] for index in present])
    return [
        Update(index, variables[index], gradient)
        for index, gradient in zip(present, clipped, strict=True)
    ]


def _update(optimizer: keras.Optimizer, updates: Sequence[Update], rate: tf.Tensor) -> None:
    """Update by the kernel; Keras handles the rest.

    The rest: optimizers without a kernel, and sparse gradients of embeddings. For rows that occur
    several times in a batch, Keras squares each gradient before summing, which no kernel does.
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
    """Let Keras accumulate or unscale the gradients; threshold only if it then took a step.

    The moving average then includes the weights before thresholding.
    """
    rate = tf.convert_to_tensor(optimizer.learning_rate)
    before = tf.identity(optimizer.iterations)
    optimizer.apply(gradients, variables)
    if not proximal:
        return
    steps_taken = tf.cast(optimizer.iterations - before, rate.dtype)
    inner = optimizer.inner_optimizer if _scales_loss(optimizer) else optimizer
    step = tf.cast(before + 1, tf.float32)
    threshold(inner, variables, proximal, rate * steps_taken, step)
    constrain(variables)


def _scales_loss(optimizer: keras.Optimizer) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
