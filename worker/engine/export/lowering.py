"""Operations written out in others, where a runtime lacks them or computes them wrongly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import tensorflow as tf
from keras.src.backend.tensorflow import image
from tensorflow.python.ops import gen_nn_ops, math_ops

from worker.engine.export.resizing import resize

_LEAST = 1e-37
"""Above the subnormal numbers, which LiteRT takes for 0."""


@contextmanager
def written_out() -> Iterator[None]:
    """Trace resizing, softplus and rsqrt, of whatever layer, so that every runtime has them right.

    Patches the places where Keras and TensorFlow look these functions up, as long as the block
    runs; their values stay the same.
    """
    with ExitStack() as stack:
        for (module, name), replacement in _LOWERED.items():
            stack.enter_context(mock.patch.object(module, name, replacement))
        yield


def softplus(features: tf.Tensor, name: str | None = None) -> tf.Tensor:
    """log(1 + exp x) as max(x, 0) + log(1 + exp(−|x|)): exp x overflows above 88 in LiteRT."""
    decay = tf.math.exp(-tf.math.abs(features))
    return tf.add(tf.nn.relu(features), tf.math.log(1.0 + decay), name=name)


def rsqrt(x: tf.Tensor, name: str | None = None) -> tf.Tensor:
    """1/√max(x, 1e-37): in LiteRT 1/√0 is NaN instead of infinite, so a minimum cannot bound it."""
    return _rsqrt(tf.math.maximum(x, tf.constant(_LEAST, x.dtype)), name=name)


_rsqrt: Callable[..., tf.Tensor] = math_ops.rsqrt
#: Where TensorFlow and Keras look an operation up → what is traced in its place.
_LOWERED: Mapping[tuple[Any, str], Callable[..., tf.Tensor]] = {
    (gen_nn_ops, "softplus"): softplus,
    (math_ops, "rsqrt"): rsqrt,
    (tf.math, "rsqrt"): rsqrt,
    (image, "resize"): resize,
}
