"""DropBlock: dropping squares of feature maps."""

import tensorflow as tf

from ridgeline.spec.layers.regularization import DropBlock2D


def drop_block(layer: DropBlock2D, x: tf.Tensor, rate: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Zero b x b squares of each feature map and scale the rest by all/kept.

    A square's corner is drawn at every place where the square fits, with probability
    γ = rate/b² · h·w/((h − b + 1)·(w − b + 1)), so that `rate` of the map is covered but for
    overlaps. `x` has shape (batch, h, w, channels), `rate` is a scalar, `seed` has shape (2,).
    Ghiasi et al., 2018.
    """
    batch, (height, width, channels), block = tf.shape(x)[0], x.shape[1:], layer.block_size
    places = height - block + 1, width - block + 1
    gamma = rate / block**2 * (height * width / (places[0] * places[1]))
    drawn = tf.random.stateless_uniform([batch, *places, channels], seed) < gamma
    margin = [block - 1, block - 1]
    corners = tf.pad(tf.cast(drawn, tf.float32), [[0, 0], margin, margin, [0, 0]])
    kept = 1 - tf.nn.max_pool2d(corners, ksize=block, strides=1, padding="VALID")
    # Where nothing is kept there is nothing to scale.
    scale = tf.cast(tf.size(kept), tf.float32) / tf.maximum(tf.reduce_sum(kept), 1)
    return x * tf.cast(kept * scale, x.dtype)
