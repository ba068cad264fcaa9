"""Dropout with its rate and its seed as inputs of the compiled epoch."""

import tensorflow as tf

from ridgeline.contract.layers import Layer


def dropout(layer: Layer, x: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Zero units with probability `rate` and scale the rest by 1/(1 − rate).

    `rate` is a scalar; `seed`, shape (2,), decides the mask alone, so a resumed epoch repeats it.
    SpatialDropout2D drops whole feature maps (batch, 1, 1, channels). Srivastava et al., 2014.
    """
    noise_shape = None
    if layer.type_name() == "SpatialDropout2D":
        batch, channels = tf.shape(x)[0], x.shape[-1]
        noise_shape = [batch, 1, 1, channels]
    return tf.nn.experimental.stateless_dropout(x, rate=rate, seed=seed, noise_shape=noise_shape)
