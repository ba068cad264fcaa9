"""The contract's integer arithmetic against Keras itself, over random networks."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ridgeline.contract.graph import Graph, build_graph
from ridgeline.contract.layers import LAYERS, Layer, Shape
from ridgeline.contract.problems import SpecError
from ridgeline.contract.resolve import resolve
from ridgeline.contract.wiring import wire
from tests.unit.contract.spatial_layers import STRICTER


@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_shapes_and_parameters_equal_keras(
    data: st.DataObject, networks: Any, parse_layers: Any
) -> None:
    shape, listed = data.draw(networks())
    layers = wire(parse_layers(*listed))
    try:
        graph = build_graph(layers, shape)
    except SpecError as error:
        event("refused")
        if not stricter_than_keras(error):
            with pytest.raises((ValueError, IndexError)):
                keras_model(layers, shape)
        return
    assert_equal(graph, keras_model(layers, shape))


def test_the_random_networks_hold_every_layer_type(networks: Any) -> None:
    """The property above says something about a layer only when it is drawn."""
    seen: set[str] = set()

    @given(networks(fits=True))
    @settings(max_examples=1000, database=None, derandomize=True)
    def draw(network: tuple[Shape, list[dict[str, Any]]]) -> None:
        seen.update(layer["type"] for layer in network[1])

    draw()
    assert seen == set(LAYERS)


def vgg_like() -> list[dict[str, Any]]:
    """The note's VGG-like network."""
    pooled: dict[str, Any] = {"type": "MaxPooling2D", "pool_size": [2, 2]}
    blocks: list[list[dict[str, Any]]] = [
        [{"type": "Conv2D", "filters": filters, "kernel_size": [3, 3]}] * 2 + [pooled]
        for filters in (32, 64)
    ]
    head: list[dict[str, Any]] = [
        {"type": "Flatten"},
        {"type": "Dense", "units": 256, "activation": "relu"},
        {"type": "Dropout", "rate": 0.5},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    return [layer for block in blocks for layer in block] + head


@pytest.mark.parametrize(
    ("shape", "layers", "total"),
    [
        ((100, 100, 3), vgg_like(), 7_998_250),
        (
            (10_000,),
            [{"type": "Dense", "units": 16}] * 2 + [{"type": "Dense", "units": 1}],
            160_305,
        ),
        ((64,), [{"type": "Dense", "units": n} for n in (64, 64, 10)], 8_970),
    ],
    ids=["vgg-like", "imdb", "digits"],
)
def test_the_notes_networks(
    shape: Shape, layers: list[dict[str, Any]], total: int, parse_layers: Any
) -> None:
    wired = wire(parse_layers(*layers))
    graph = build_graph(wired, shape)
    assert graph.parameters.total == total
    assert_equal(graph, keras_model(wired, shape))


@pytest.mark.parametrize(
    ("layer", "shape", "keras_takes"),
    [
        ({"type": "Conv2D", "filters": 1, "kernel_size": 4}, (3, 9, 1), False),
        ({"type": "Conv2D", "filters": 1, "kernel_size": 2, "dilation_rate": 3}, (3, 9, 1), False),
        ({"type": "Conv2D", "filters": 1, "kernel_size": 3}, (9, 9), False),
        (
            {
                "type": "Conv2D",
                "filters": 1,
                "kernel_size": 1,
                "strides": 2,
                "dilation_rate": [1, 2],
            },
            (9, 9, 1),
            False,
        ),
        ({"type": "MaxPooling2D", "pool_size": [1, 5]}, (4, 4, 1), False),
        ({"type": "AveragePooling2D"}, (4,), False),
        ({"type": "GlobalAveragePooling2D"}, (4, 4), False),
        ({"type": "SpatialDropout2D", "rate": 0.1}, (4,), False),
        ({"type": "Reshape", "target_shape": [3, -1]}, (4,), False),
        ({"type": "Reshape", "target_shape": [-1, -1]}, (4,), False),
        ({"type": "Reshape", "target_shape": [0, -1]}, (4,), False),
        ({"type": "Reshape", "target_shape": [2, 3]}, (4,), False),
        ({"type": "Concatenate", "axis": 2, "inputs": ["input", "input"]}, (4,), False),
        ({"type": "Concatenate", "axis": 0, "inputs": ["input", "input"]}, (4,), True),
        (
            {
                "type": "Conv2D",
                "filters": 1,
                "kernel_size": 2,
                "dilation_rate": 15,
                "padding": "same",
            },
            (8, 8, 1),
            True,
        ),
    ],
)
def test_misfits_are_refused_with_a_pointer(
    layer: dict[str, Any],
    shape: Shape,
    keras_takes: bool,
    parse_layers: Any,
    faults_of: Callable[..., Any],
) -> None:
    wired = wire(parse_layers(layer))
    (fault,) = faults_of(lambda: build_graph(wired, shape))
    assert (fault.pointer, fault.rule) == ("/model/layers/0", "shapes-connect")
    if keras_takes:
        keras_model(wired, shape)
    else:
        with pytest.raises((ValueError, IndexError)):
            keras_model(wired, shape)


def test_a_misfit_names_both_layers_and_its_place_in_the_spec(
    make_spec: Any, faults_of: Callable[..., Any]
) -> None:
    layers = [
        {"type": "Add", "name": "sum", "inputs": ["a", "b"]},
        {"type": "Dense", "name": "b", "units": 3, "inputs": ["a"]},
        {"type": "Dense", "name": "a", "units": 4, "inputs": ["input"]},
        {"type": "Dense", "units": 10, "activation": "softmax", "inputs": ["sum"]},
    ]
    (fault,) = faults_of(lambda: resolve(make_spec(model={"layers": layers})))
    assert fault.pointer == "/model/layers/0"
    for words in ("'sum'", "'a'", "'b'", "(4)", "(3)"):
        assert words in fault.detail


def stricter_than_keras(error: SpecError) -> bool:
    """Whether it is one of the refusals that have a reason beyond Keras's own."""
    return any(words in error.faults[0].detail for words in STRICTER)


def keras_model(layers: tuple[Layer, ...], shape: Shape) -> keras.Model:
    outputs: dict[str, Any] = {"input": keras.Input(shape)}
    for layer in layers:
        inputs = [outputs[name] for name in layer.inputs or ()]
        built = getattr(keras.layers, layer.type_name())(name=layer.name, **layer.arguments())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs[str(layer.name)] = built(inputs if len(inputs) > 1 else inputs[0])
    return keras.Model(outputs["input"], outputs[str(layers[-1].name)])


def assert_equal(graph: Graph, model: keras.Model) -> None:
    for node in graph.nodes:
        layer = model.get_layer(node.name)
        assert tuple(layer.output.shape)[1:] == node.shape
        assert [(w.name, w.shape, w.trainable) for w in node.weights] == [
            (w.name, tuple(w.shape), w.trainable) for w in layer.weights
        ]
    parameters = graph.parameters
    assert parameters.total == model.count_params()
    assert parameters.trainable == _numbers(model.trainable_weights)
    assert parameters.non_trainable == _numbers(model.non_trainable_weights)


def _numbers(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)
