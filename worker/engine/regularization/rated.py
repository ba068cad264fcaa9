"""Layers whose strength is an input of the compiled epoch, and how each is computed in training."""

from collections.abc import Callable

import tensorflow as tf

from ridgeline.spec.layers import Layer
from worker.engine.regularization.alpha_dropout import alpha_dropout
from worker.engine.regularization.drop_block import drop_block
from worker.engine.regularization.drop_path import drop_path
from worker.engine.regularization.dropout import dropout
from worker.engine.regularization.gaussian_dropout import gaussian_dropout
from worker.engine.regularization.gaussian_noise import gaussian_noise

Rated = Callable[..., tf.Tensor]

RATED: dict[str, Rated] = {
    "AlphaDropout": alpha_dropout,
    "DropBlock2D": drop_block,
    "DropPath": drop_path,
    "Dropout": dropout,
    "GaussianDropout": gaussian_dropout,
    "GaussianNoise": gaussian_noise,
    "SpatialDropout1D": dropout,
    "SpatialDropout2D": dropout,
    "SpatialDropout3D": dropout,
}
"""By layer type: f(layer, x, strength, seed) is the layer's output for `x` in training.

`Network.train` calls it in place of the Keras layer, with the layer's element of the vector of
strengths (a float32 scalar) and a seed of its own (int32, shape (2,)). At strength 0 it returns `x`
exactly, so a rate may rise from 0 and fall to it without a retrace.
"""


def strength(layer: Layer) -> float:
    """The strength in the spec: the `rate` of dropping layers, the `stddev` of noise."""
    given: float = getattr(layer, "rate" if layer.drops else "stddev")
    return given
