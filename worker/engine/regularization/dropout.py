"""Dropout with its rate and its seed as inputs of the compiled epoch."""

from collections.abc import Sequence

import tensorflow as tf

from ridgeline.spec.layers import Layer
from ridgeline.spec.layers.regularization import AlphaDropout, Dropout, SpatialDropout


def dropout(
    layer: Dropout | SpatialDropout, x: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Zero units with probability `rate` and scale the rest by 1/(1 − rate).

    `rate` is a scalar; `seed`, shape (2,), decides the mask alone, so a resumed epoch repeats it.
    Units along an axis where the mask has size 1 share one draw. Srivastava et al., 2014.
    """
    return tf.nn.experimental.stateless_dropout(
        x, rate=tf.cast(rate, x.dtype), seed=seed, noise_shape=mask_shape(layer, x)
    )


def is_plain_dropout(layer: Layer) -> bool:
    """Whether every unit of every row is drawn independently."""
    return isinstance(layer, Dropout) and layer.noise_shape is None


def masks(shape: Sequence[int], rows: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The masks of `rows` rows of `shape`: 0, or 1/(1 − rate) where a unit is kept.

    Drawn at once they take a tenth of the time of a draw in every step of a small network.
    """
    drawn = tf.random.stateless_uniform([rows, *shape], seed)
    return tf.cast(drawn >= rate, tf.float32) / (1.0 - rate)


def mask_shape(layer: AlphaDropout | Dropout | SpatialDropout, x: tf.Tensor) -> tf.Tensor:
    """The shape of the mask over `x`: that of `x`, except for axes that share one draw.

    Those are the spatial ones in SpatialDropout (batch, 1, …, channels), and what `noise_shape`
    says elsewhere.
    """
    sizes = tf.unstack(tf.shape(x))
    if isinstance(layer, SpatialDropout):
        return tf.stack([sizes[0], *[1] * len(layer.spatial), sizes[-1]])
    given = layer.noise_shape or [None] * len(sizes)
    return tf.stack([size if one is None else one for one, size in zip(given, sizes, strict=True)])
