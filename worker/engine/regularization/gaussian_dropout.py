"""Gaussian dropout with its rate and its seed as inputs of the compiled epoch."""

import tensorflow as tf

from ridgeline.spec.layers.regularization import GaussianDropout


def gaussian_dropout(
    _layer: GaussianDropout, x: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Multiply each unit by a normal with mean 1 and variance rate/(1 − rate), dropout's own.

    `rate` is a scalar, `seed` has shape (2,). Srivastava et al., 2014.
    """
    deviation = tf.cast(tf.sqrt(rate / (1 - rate)), x.dtype)
    return x * (1 + deviation * tf.random.stateless_normal(tf.shape(x), seed, dtype=x.dtype))
