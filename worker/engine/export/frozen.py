"""Prediction as one graph of constants, from which other formats are converted."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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


def frozen_function(model: keras.Model, *, as_it_is: bool = False) -> Any:
    """Prediction as a concrete function without variables, state or nested functions.

    It computes in float32 whatever precision was trained in: half precision only speeds up
    training, and few CPU operations of LiteRT and ONNX Runtime support it. With `as_it_is`, no
    operation is written out in others.
    """
    model = in_float32(model)
    lowering = nullcontext() if as_it_is else written_out()
    with plain_loops(model), lowering, _inlining():
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


def in_float32(model: keras.Model) -> keras.Model:
    """`model`, or its twin in float32 if any of it computes in half precision."""
    if all(layer.compute_dtype not in {"float16", "bfloat16"} for layer in model.layers):
        return model
    return in_precision(model, "float32")


def in_precision(model: keras.Model, policy: str) -> keras.Model:
    """A twin of `model`, with its weights, whose layers all have the dtype policy `policy`."""
    twin = type(model).from_config(_with_policy(model.get_config(), policy))
    twin.set_weights(model.get_weights())
    return twin


def _with_policy(config: Any, policy: str) -> Any:
    """A layer's or model's `config` with every dtype policy replaced."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return keras.dtype_policies.serialize(keras.DTypePolicy(policy))
        return {key: _with_policy(value, policy) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_with_policy(value, policy) for value in config)
    return config


class CannotHold(Exception):
    """The format has no operation for something in the network; the message says which."""
