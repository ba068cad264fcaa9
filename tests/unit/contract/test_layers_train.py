"""What the contract accepts, TensorFlow trains: one step through each layer type on the CPU."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from ridgeline.contract.graph import build_graph
from ridgeline.contract.layers import Shape
from ridgeline.contract.layers.base import Layer
from ridgeline.contract.problems import SpecError
from ridgeline.contract.wiring import wire
from tests.unit.contract.spatial_layers import ARGUMENTS

ROWS = 3


@pytest.mark.filterwarnings("ignore:.*softmax over axis:UserWarning")
@pytest.mark.parametrize("kind", ARGUMENTS)
def test_a_step_through_every_layer_type(kind: str, layer_on: Any, parse_layers: Any) -> None:
    """Shapes are as worked out, and every weight and the input get a finite gradient."""

    @given(layer_on(kind))
    @settings(max_examples=4, database=None, derandomize=True)
    def check(network: tuple[Shape, list[dict[str, Any]]]) -> None:
        shape, listed = network
        (layer,) = wire(parse_layers(*listed))
        try:
            graph = build_graph((layer,), shape)
        except SpecError:
            return
        output, gradients = step(layer, shape)
        assert output == (ROWS, *graph.output.shape)
        assert [gradient is not None for gradient in gradients] == [True] * len(gradients)
        assert all(np.isfinite(gradient).all() for gradient in gradients)

    check()


def step(layer: Layer, shape: Shape) -> tuple[Shape, list[Any]]:
    """The output's shape, batch and all, and the gradients of its sum of squares."""
    inputs = keras.Input(shape)
    built = getattr(keras.layers, layer.type_name())(**layer.arguments())
    given = [inputs] * len(layer.inputs or ())
    model = keras.Model(inputs, built(given if len(given) > 1 else inputs))
    tokens = layer.type_name() == "Embedding"
    x = tf.zeros((ROWS, *shape)) if tokens else tf.random.stateless_uniform((ROWS, *shape), (1, 2))

    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
            loss = tf.reduce_sum(y**2)
        return y, tape.gradient(loss, [*model.trainable_variables, *([] if tokens else [x])])

    y, gradients = tf.function(run)(x)
    return tuple(y.shape), [
        None if each is None else tf.convert_to_tensor(each) for each in gradients
    ]
