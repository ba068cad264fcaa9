"""Alpha dropout with its rate and its seed as inputs of the compiled epoch."""

import tensorflow as tf

from ridgeline.spec.layers.regularization import AlphaDropout
from worker.engine.regularization.dropout import mask_shape

SELU_SATURATION = -1.6732632423543772 * 1.0507009873554804
"""The lower limit of selu: −α·λ."""


def alpha_dropout(layer: AlphaDropout, x: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Set units to selu's saturation s with probability `rate`, then restore mean and variance.

    a·y + b with a = ((1 − rate)·(1 + rate·s²))^−½ and b = −a·rate·s keeps mean 0 and variance 1.
    `rate` is a scalar, `seed` has shape (2,). Klambauer et al., 2017.
    """
    s = SELU_SATURATION
    kept = tf.random.stateless_uniform(mask_shape(layer, x), seed) >= rate
    a = ((1 - rate) * (1 + rate * s**2)) ** -0.5
    b = -a * rate * s
    return tf.cast(a, x.dtype) * tf.where(kept, x, tf.cast(s, x.dtype)) + tf.cast(b, x.dtype)
