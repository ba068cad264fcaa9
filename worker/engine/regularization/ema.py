"""Exponential moving averages of the weights."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def average(optimizer: keras.Optimizer, variables: Sequence[keras.Variable]) -> None:
    """Average: a ← m·a + (1 − m)·w after a step, a ← w after the first (Polyak & Juditsky, 1992).

    Every `ema_overwrite_frequency` steps w ← a. To be called before `iterations` counts the step,
    for all variables the optimizer was built for.
    """
    if not optimizer.use_ema:
        return
    steps = optimizer.iterations.value
    share = tf.where(tf.equal(steps, 0), 1.0, 1.0 - optimizer.ema_momentum)
    averages = [each.value for each in optimizer._model_variables_moving_average]  # noqa: SLF001
    for variable, mean in zip(variables, averages, strict=True):
        # In one pass: mean − share·(mean − variable).
        tf.raw_ops.ResourceApplyGradientDescent(
            var=mean.handle, alpha=share, delta=mean - variable.value
        )
    if not optimizer.ema_overwrite_frequency:
        return

    def overwrite() -> tf.Tensor:
        for variable, mean in zip(variables, averages, strict=True):
            variable.value.assign(mean)
        return tf.constant(True)

    due = tf.equal((steps + 1) % optimizer.ema_overwrite_frequency, 0)
    tf.cond(due, overwrite, lambda: tf.constant(False))
