"""Which layers drop by a rate, and what computes them in training."""

from collections.abc import Callable

import tensorflow as tf

from ridgeline.contract.layers import Layer
from worker.engine.regularization.dropout import dropout

Compute = Callable[[Layer, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

RATED: dict[str, Compute] = {"Dropout": dropout, "SpatialDropout2D": dropout}
