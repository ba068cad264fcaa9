"""The contract's integer arithmetic against Keras itself, over random networks."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ridgeline.planning.graph import Graph, build_graph
from ridgeline.planning.resolve import resolve
from ridgeline.planning.wiring import wire
from ridgeline.spec.faults import SpecError
from ridgeline.spec.layers import LAYERS, Layer, Shape
from tests.unit.networks.keras_twins import call, keras_layer

#: Where the contract is stricter than Keras, by words of the message.
STRICTER = (
    # It would need memory without any effect.
    "dilated window",
    # TensorFlow cannot run it: Keras builds the model, and the first batch fails.
    "it needs windows of",
    "output_padding of at least 1 along axes",
    "expected an axis of",
    "expected axes of",
    "expects each axis once",
    "expects one number, or one per index",
    "axes, not counting the batch",
    "expects the same dilation_rate along height and width",
    "expects images",
    "each null or 1",
    "the same number of features",
    "as many keys as values",
    "(time, features)",
    "expected at most 8",
    "TensorFlow's softmax allows at most",
    # Keras infers another shape than TensorFlow computes, or infers none before it runs.
    "Keras reverses the order",
    "expects an input of shape",
    # Broadcasting would hide mistakes.
    "expects inputs of one shape",
    # Not part of Keras, where an identity is built.
    "has block_size",
    "expects a window smaller than",
)


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
        event("rejected")
        if not stricter_than_keras(error):
            with pytest.raises((ValueError, IndexError)):
                keras_model(layers, shape)
        return
    assert_equal(graph, keras_model(layers, shape))


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_type_equals_keras(kind: str, layer_on: Any, parse_layers: Any) -> None:
    """Each type on its own, since the property above draws some types rarely."""
    fitted = 0

    # Most of what is drawn for these does not fit, which takes no time to find out.
    examples = 90 if kind.startswith(("Adaptive", "Cropping")) else 8

    @given(layer_on(kind))
    @settings(max_examples=examples, database=None, derandomize=True, deadline=None)
    def check(network: tuple[Shape, list[dict[str, Any]]]) -> None:
        nonlocal fitted
        shape, listed = network
        layers = wire(parse_layers(*listed))
        try:
            graph = build_graph(layers, shape)
        except SpecError:
            return
        assert_equal(graph, keras_model(layers, shape))
        fitted += 1

    check()
    assert fitted >= 2


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
def test_the_notes_networks_have_the_size_of_keras(
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
        ({"type": "Conv1D", "filters": 4, "kernel_size": 1, "groups": 2}, (9, 3), False),
        ({"type": "Conv1D", "filters": 3, "kernel_size": 1, "groups": 2}, (9, 4), False),
        (
            {
                "type": "Conv1D",
                "filters": 1,
                "kernel_size": 3,
                "padding": "causal",
                "dilation_rate": 200,
            },
            (9, 4),
            True,
        ),
        (
            {
                "type": "Conv1DTranspose",
                "filters": 1,
                "kernel_size": 3,
                "strides": 2,
                "output_padding": 2,
            },
            (9, 4),
            False,
        ),
        (
            {
                "type": "Conv2DTranspose",
                "filters": 1,
                "kernel_size": 2,
                "padding": "same",
                "output_padding": 0,
            },
            (9, 9, 4),
            True,
        ),
        (
            {
                "type": "Conv3DTranspose",
                "filters": 1,
                "kernel_size": 2,
                "dilation_rate": [1, 2, 1],
            },
            (9, 9, 9, 4),
            True,
        ),
        ({"type": "SeparableConv2D", "filters": 1, "kernel_size": 4}, (3, 9, 1), False),
        ({"type": "AdaptiveMaxPooling1D", "output_size": 1}, (9, 4), True),
        ({"type": "AdaptiveMaxPooling1D", "output_size": 2}, (9000, 4), True),
        ({"type": "Cropping1D", "cropping": [3, 6]}, (9, 4), False),
        ({"type": "Permute", "dims": [2, 1]}, (4,), False),
        ({"type": "RepeatVector", "n": 2}, (4, 4), False),
        ({"type": "PReLU", "shared_axes": 3}, (4, 4), False),
        ({"type": "Softmax", "axis": [1, -2]}, (4, 4), True),
        ({"type": "Softmax", "axis": 0}, (4, 4), True),
        ({"type": "Rescaling", "scale": [1.0, 2.0]}, (4, 4), True),
        ({"type": "Dot", "axes": [1, 2], "inputs": ["input", "input"]}, (4, 3), False),
        ({"type": "Dot", "axes": 0, "inputs": ["input", "input"]}, (4, 3), True),
        ({"type": "EinsumDense", "equation": "ab,bc->ac", "output_shape": 3}, (4, 3), True),
        (
            {"type": "EinsumDense", "equation": "abc,cd->abd", "output_shape": [5, 3]},
            (4, 3),
            False,
        ),
        ({"type": "EinsumDense", "equation": "...a,ab->...b", "output_shape": 3}, (4, 3, 2), True),
        (
            {
                "type": "EinsumDense",
                "equation": "ab,b->ab",
                "output_shape": 4,
                "kernel_initializer": "orthogonal",
            },
            (4,),
            False,
        ),
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
def test_misfits_are_rejected_with_a_pointer(
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
    """Whether the message is of a rule that Keras does not have."""
    return any(words in error.faults[0].detail for words in STRICTER)


def keras_model(layers: tuple[Layer, ...], shape: Shape) -> keras.Model:
    outputs: dict[str, Any] = {"input": keras.Input(shape)}
    for layer in layers:
        inputs = [outputs[name] for name in layer.inputs or ()]
        built = keras_layer(layer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs[str(layer.name)] = call(layer, built, inputs)
    return keras.Model(outputs["input"], outputs[str(layers[-1].name)])


def assert_equal(graph: Graph, model: keras.Model) -> None:
    for node in graph.nodes:
        layer = model.get_layer(node.name)
        assert tuple(layer.output.shape)[1:] == node.shape
        assert [(w.role, w.shape, w.trainable) for w in node.weights] == [
            (w.name, tuple(w.shape), w.trainable) for w in layer.weights
        ]
        for ours, theirs in zip(node.weights, layer.weights, strict=True):
            part = ours.name.partition("/")[0].removesuffix("_layer")
            assert any(name.startswith(part) for name in theirs.path.split("/"))
    parameters = graph.parameters
    assert parameters.total == model.count_params()
    assert parameters.trainable == _numbers(model.trainable_weights)
    assert parameters.non_trainable == _numbers(model.non_trainable_weights)


def _numbers(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize(
    ("layer", "shape", "multiply_adds"),
    [
        ({"type": "Dense", "units": 3}, (5, 4), 5 * 4 * 3),
        ({"type": "Conv2D", "filters": 3, "kernel_size": 2}, (5, 5, 4), 16 * 4 * 4 * 3),
        (
            {"type": "Conv2D", "filters": 4, "kernel_size": 2, "groups": 2},
            (5, 5, 4),
            16 * 4 * 2 * 4,
        ),
        ({"type": "Conv1DTranspose", "filters": 3, "kernel_size": 2, "strides": 7}, (5, 4), 120),
        (
            {"type": "DepthwiseConv1D", "kernel_size": 2, "depth_multiplier": 3},
            (5, 4),
            4 * 2 * 4 * 3,
        ),
        (
            {"type": "SeparableConv1D", "filters": 6, "kernel_size": 2, "depth_multiplier": 3},
            (5, 4),
            4 * 2 * 4 * 3 + 4 * 12 * 6,
        ),
        (
            {"type": "EinsumDense", "equation": "abc,cde->abde", "output_shape": [5, 2, 3]},
            (5, 4),
            5 * 4 * 2 * 3,
        ),
        ({"type": "Embedding", "input_dim": 1000, "output_dim": 3}, (5,), 0),
        ({"type": "Dot", "axes": [2, 2], "inputs": ["input", "input"]}, (5, 4), 5 * 5 * 4),
        ({"type": "MaxPooling1D"}, (4, 4), 0),
    ],
)
def test_multiply_adds(
    layer: dict[str, Any], shape: Shape, multiply_adds: int, parse_layers: Any
) -> None:
    assert build_graph(wire(parse_layers(layer)), shape).multiply_adds == multiply_adds


@pytest.mark.parametrize(
    ("layer", "shape", "activations"),
    [
        ({"type": "Dense", "units": 3}, (5, 4), 15),
        # The padded input, 5 + 6 steps of 4 channels.
        (
            {
                "type": "Conv1D",
                "filters": 3,
                "kernel_size": 4,
                "dilation_rate": 2,
                "padding": "causal",
            },
            (5, 4),
            15 + 11 * 4,
        ),
        # What the depthwise part gives: 4 steps of 12 channels.
        (
            {"type": "SeparableConv1D", "filters": 6, "kernel_size": 2, "depth_multiplier": 3},
            (5, 4),
            4 * 6 + 4 * 12,
        ),
        # Windows of 3 and of 4, twice, and the two selected.
        ({"type": "AdaptiveMaxPooling1D", "output_size": 2}, (6, 4), (2 * (4 + 3) + 2) * 4),
    ],
)
def test_activations_include_intermediate_results(
    layer: dict[str, Any], shape: Shape, activations: int, parse_layers: Any
) -> None:
    graph = build_graph(wire(parse_layers(layer)), shape)
    assert graph.activations == math.prod(shape) + activations


def test_too_many_axes_for_a_softmax_are_rejected(
    parse_layers: Any, faults_of: Callable[..., Any]
) -> None:
    for layer in ({"type": "Softmax"}, {"type": "Activation", "activation": "softmax"}):
        build_graph(wire(parse_layers(layer)), (1,) * 4)
        (fault,) = faults_of(lambda it=layer: build_graph(wire(parse_layers(it)), (1,) * 5))
        assert (fault.pointer, fault.rule) == ("/model/layers/0", "too-many-axes")
    assert fault.detail.endswith("allows at most 4")


def test_too_many_axes_are_rejected(parse_layers: Any, faults_of: Callable[..., Any]) -> None:
    layers = [{"type": "Embedding", "input_dim": 9, "output_dim": 1}] * 8
    (fault,) = faults_of(lambda: build_graph(wire(parse_layers(*layers)), (1,)))
    assert (fault.pointer, fault.rule) == ("/model/layers/7", "too-many-axes")
