"""Gaussian noise with its strength and its seed as inputs of the compiled epoch."""

import tensorflow as tf

from ridgeline.spec.layers.regularization import GaussianNoise


def gaussian_noise(
    _layer: GaussianNoise, x: tf.Tensor, stddev: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Add a normal with mean 0 and standard deviation `stddev` to each unit.

    `stddev` is a scalar, `seed` has shape (2,). Sietsma & Dow, 1991; Bishop, 1995.
    """
    stddev = tf.cast(stddev, x.dtype)
    return x + stddev * tf.random.stateless_normal(tf.shape(x), seed, dtype=x.dtype)
