"""Gradient clipping: by value, by each variable's norm, by the norm of all."""

from collections.abc import Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices


def clip(optimizer: keras.Optimizer, gradients: Sequence[Gradient]) -> list[Gradient]:
    """Clip by the optimizer's options, in Keras's order of precedence.

    clipnorm: g·c/max(‖g‖, c); global_clipnorm: the same with the norm of all gradients together
    (Pascanu et al., 2013); clipvalue: each entry to ±c. As in Keras, rows that an embedding's
    sparse gradient holds twice are counted before they are summed.
    """
    if optimizer.clipnorm:
        return [_scaled(g, _factor(_norm([g]), optimizer.clipnorm)) for g in gradients]
    if optimizer.global_clipnorm:
        norm = _norm(gradients)
        # NaN for an infinite norm, as Keras: the run ends as diverged in place of going on.
        factor = _factor(norm, optimizer.global_clipnorm) + (norm - norm)
        return [tf.convert_to_tensor(g) * factor for g in gradients]
    if optimizer.clipvalue:
        limit = optimizer.clipvalue
        return [tf.clip_by_value(g, -limit, limit) for g in gradients]
    return list(gradients)


def _norm(gradients: Sequence[Gradient]) -> tf.Tensor:
    # l2_loss is Σg²/2 in one kernel.
    halves = [tf.nn.l2_loss(_numbers(gradient)) for gradient in gradients]
    return tf.sqrt(2 * tf.add_n(halves))


def _factor(norm: tf.Tensor, limit: float) -> tf.Tensor:
    return limit / tf.maximum(norm, limit)


def _scaled(gradient: Gradient, factor: tf.Tensor) -> Gradient:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor


def _numbers(gradient: Gradient) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
