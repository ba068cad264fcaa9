"""Stochastic depth: dropping whole branches, row by row."""

import tensorflow as tf

from ridgeline.spec.layers.regularization import DropPath


def drop_path(_layer: DropPath, x: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Zero a row's whole input with probability `rate` and scale the others by 1/(1 − rate).

    `rate` is a scalar, `seed` has shape (2,). Huang et al., 2016.
    """
    shape = tf.concat([tf.shape(x)[:1], tf.ones([x.shape.rank - 1], tf.int32)], axis=0)
    rate = tf.cast(rate, x.dtype)
    return tf.nn.experimental.stateless_dropout(x, rate=rate, seed=seed, noise_shape=shape)
