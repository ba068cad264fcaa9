"""Prediction as one graph of constants, from which other formats are converted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ridgeline.planning.wiring import INPUT
from worker.engine.export.lowering import written_out
from worker.engine.export.recurrence import plain_loops


def rows_of(model: keras.Model) -> tf.TensorSpec:
    """The input of `model`: any number of raw rows."""
    (rows,) = model.inputs
    return tf.TensorSpec([None, *rows.shape[1:]], rows.dtype, name=INPUT)


def frozen_function(model: keras.Model) -> Any:
    """Prediction as a concrete function without variables, state or nested functions.

    It computes in float32 whatever precision was trained in: half precision only speeds up
    training, and few CPU operations of LiteRT and ONNX Runtime support it.
    """
    model = _in_float32(model)
    with plain_loops(model), written_out(), _inlining():
        traced = tf.compat.v1.wrap_function(lambda x: model(x, training=False), [rows_of(model)])
    # Pruning removes what prediction does not need: seeds that advance in inference too.
    pruned = traced.prune(traced.inputs[0], traced.outputs[0])
    return convert_variables_to_constants_v2(pruned, lower_control_flow=False)


@contextmanager
def _inlining() -> Iterator[None]:
    """Trace through tf.functions: Keras wraps grouped convolutions in one that only XLA runs."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _in_float32(model: keras.Model) -> keras.Model:
    if all(layer.compute_dtype not in {"float16", "bfloat16"} for layer in model.layers):
        return model
    twin = type(model).from_config(_with_float32(model.get_config()))
    twin.set_weights(model.get_weights())
    return twin


def _with_float32(config: Any) -> Any:
    """A layer's or model's `config` with every dtype policy replaced."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return keras.dtype_policies.serialize(keras.DTypePolicy("float32"))
        return {key: _with_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_with_float32(value) for value in config)
    return config


class CannotHold(Exception):
    """The format has no operation for something in the network; the message says which."""
