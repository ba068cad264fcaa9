"""Recurrent layers as a plain loop, which every format can hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import tensorflow as tf


@contextmanager
def plain_loops(model: keras.Model) -> Iterator[None]:
    """Trace the recurrent layers of `model` as loops over tensors.

    Keras's own loop keeps its outputs in tensor lists, which LiteRT knows for a fixed batch only;
    on a GPU it is one cuDNN operation, which no other device could run. A layer with `unroll` has
    no loop, so it stays Keras's own: over a mask, backwards, it differs from the loop.
    """
    layers = [inner for layer in model.layers for inner in _recurrent(layer) if not inner.unroll]
    for layer in layers:
        layer.inner_loop = partial(_loop, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.inner_loop


@contextmanager
def without_cudnn(model: keras.Model) -> Iterator[None]:
    """Trace the recurrent layers of `model` so that every device can run them."""
    layers = [inner for layer in model.layers for inner in _recurrent(layer)]
    before = {layer: layer.use_cudnn for layer in layers if hasattr(layer, "use_cudnn")}
    for layer in before:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, asked in before.items():
            layer.use_cudnn = asked


def _recurrent(layer: keras.Layer) -> Iterator[keras.Layer]:
    if isinstance(layer, keras.layers.RNN):
        yield layer
    elif isinstance(layer, keras.layers.Bidirectional):
        yield from _recurrent(layer.forward_layer)
        yield from _recurrent(layer.backward_layer)


def _loop(
    layer: keras.Layer,
    sequences: tf.Tensor,
    initial_state: list[tf.Tensor],
    mask: tf.Tensor | None,
    training: bool = False,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    """What `layer.inner_loop` returns: the last output, all outputs (batch, time, …), the states.

    A masked step leaves the states as they were, and repeats the output before it (zeros at first,
    or always where the layer's `zero_output_for_mask` says so).
    """
    steps = sequences.shape[1]
    zero = tf.zeros_like(initial_state[0])
    kept = tf.repeat(zero[:, tf.newaxis], steps, axis=1) if layer.return_sequences else zero

    def step(number: tf.Tensor, output: tf.Tensor, outputs: tf.Tensor, *states: tf.Tensor) -> Any:
        time = steps - 1 - number if layer.go_backwards else number
        new, new_states = layer.cell(
            tf.gather(sequences, time, axis=1), list(states), training=training
        )
        new_states = tf.nest.flatten(new_states)
        if mask is not None:
            here = _like(tf.gather(mask, time, axis=1), new)
            new = tf.where(here, new, zero if layer.zero_output_for_mask else output)
            new_states = [
                tf.where(here, state, old) for state, old in zip(new_states, states, strict=True)
            ]
        if layer.return_sequences:
            this = tf.reshape(tf.range(steps) == number, [1, steps] + [1] * (len(new.shape) - 1))
            outputs = tf.where(this, new[:, tf.newaxis], outputs)
        else:
            outputs = new
        return number + 1, new, outputs, *new_states

    start = [tf.constant(0), zero, kept, *initial_state]
    _, output, outputs, *states = tf.while_loop(
        lambda number, *_: number < steps,
        step,
        start,
        shape_invariants=[tensor.shape for tensor in start],
    )
    return output, outputs, states


def _like(mask: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`mask` (batch,) with as many axes as `values` (batch, …)."""
    return tf.reshape(mask, [-1] + [1] * (len(values.shape) - 1))
