"""The fate of an Embedding's mask, planned before training, is what Keras does with it."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings

from ridgeline.planning.graph import build_graph
from ridgeline.planning.resolve import resolve
from ridgeline.planning.wiring import wire
from ridgeline.spec.faults import SpecError
from ridgeline.spec.layers import LAYERS, Shape
from ridgeline.spec.layers.augmentation import Augmentation
from tests.unit.networks.keras_twins import call, keras_layer
from tests.unit.networks.random_layers import ARGUMENTS
from tests.unit.networks.spatial_layers import Json

TOKENS: Json = {"type": "Embedding", "name": "tokens", "mask_zero": True, "input_dim": 17}
PIXELS: Json = {"source": "builtin", "name": "digits", "scaling": "none"}
VECTORS = TOKENS | {"output_dim": 4}
LSTM: Json = {"type": "LSTM", "units": 3}
AVERAGE: Json = {"type": "GlobalAveragePooling1D"}
SOFTMAX: Json = {"type": "Softmax"}
OUT: Json = {"type": "Dense", "units": 10, "activation": "softmax"}
#: Pictures are no tokens; what is there in training only is not of Keras.
KINDS = [
    kind
    for kind, layer in LAYERS.items()
    if not issubclass(layer, Augmentation) and not layer.training_only
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokens", [(4,), (3, 4), (2, 4, 4)], ids=["1", "2", "3"])
def test_every_layer_uses_a_mask_as_keras_does(kind: str, tokens: Shape, parse_layers: Any) -> None:
    """Layer by layer, on a batch: whether the mask is passed on, Keras warns, or Keras fails."""

    @given(ARGUMENTS[kind]((*tokens, 3)))
    @settings(max_examples=2, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
    def check(arguments: Json) -> None:
        inputs = ["tokens"] * LAYERS[kind].arity[0]
        listed = {"type": kind, "inputs": inputs, **arguments}
        try:
            (_, node) = build_graph(
                wire(parse_layers(TOKENS | {"output_dim": 3}, listed)), tokens
            ).nodes
        except SpecError:
            return
        use = node.layer.masking([True] * len(inputs), *node.input_shapes)
        if node.layer.makes_mask():
            assert in_keras(node.layer, tokens) == "passed"
        elif use != "rejected":
            actual = in_keras(node.layer, tokens)
            # Dot drops the mask without a word, which is no use of it.
            assert actual == use or (kind, actual, use) == ("Dot", "used", "lost")

    check()


@pytest.mark.parametrize(
    ("layer", "tokens"),
    [
        (SOFTMAX, (4,)),
        (SOFTMAX, (3, 4)),
        ({"type": "TimeDistributed", "layer": {"type": "Flatten"}}, (3, 4)),
        ({"type": "TimeDistributed", "layer": AVERAGE}, (3, 4)),
        ({"type": "ConvLSTM1D", "filters": 2, "kernel_size": 2}, (3, 4)),
        (
            {
                "type": "Bidirectional",
                "layer": {"type": "ConvLSTM1D", "filters": 2, "kernel_size": 2},
            },
            (3, 4),
        ),
    ],
)
def test_a_rejected_mask_fails_in_keras(layer: Json, tokens: Shape, parse_layers: Any) -> None:
    """In the layer itself, or in the next layer that uses the mask."""
    (_, node) = build_graph(wire(parse_layers(TOKENS | {"output_dim": 3}, layer)), tokens).nodes
    assert node.layer.masking([True], *node.input_shapes) == "rejected"
    with pytest.raises((ValueError, AssertionError, tf.errors.InvalidArgumentError)):
        in_keras(node.layer, tokens)


def in_keras(layer: Any, tokens: Shape) -> str:
    """What Keras does with the mask. Raises AssertionError if it does not fit the output."""
    x = np.arange(2 * np.prod(tokens)).reshape(2, *tokens) % 3
    embedded = keras.layers.Embedding(17, 3, mask_zero=True)(x)
    built, inputs = keras_layer(layer), [embedded] * len(layer.inputs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        output = call(layer, built, inputs, training=True)
    mask = getattr(output, "_keras_mask", None)
    if mask is not None:
        assert mask.shape == output.shape[:-1]
        return "passed"
    return (
        "lost" if any("destroy the mask" in str(warning.message) for warning in caught) else "used"
    )


@pytest.mark.parametrize(
    ("layers", "place"),
    [
        ([SOFTMAX, LSTM], 1),
        ([{"type": "Dropout", "rate": 0.3}, {"type": "Dense", "units": 3}, SOFTMAX, LSTM], 3),
        ([LSTM | {"return_sequences": True}, SOFTMAX, LSTM], 2),
        ([{"type": "SpectralNormalization", "layer": {"type": "Dense", "units": 2}}, LSTM], 1),
    ],
)
def test_a_mask_that_does_not_fit_is_rejected(
    layers: list[Json], place: int, make_spec: Any, faults_of: Any
) -> None:
    listed = [VECTORS, *layers, OUT]
    (fault,) = faults_of(lambda: resolve(make_spec(dataset=PIXELS, model={"layers": listed})))
    assert (fault.pointer, fault.rule) == (f"/model/layers/{place}", "mask-fits")
    unmasked = [VECTORS | {"mask_zero": False}, *layers, OUT]
    resolve(make_spec(dataset=PIXELS, model={"layers": unmasked}))


@pytest.mark.parametrize(
    ("layers", "lost_at"),
    [
        ([LSTM], []),
        ([AVERAGE], []),
        ([LSTM | {"return_sequences": True}, AVERAGE], []),
        ([{"type": "MultiHeadAttention", "num_heads": 1, "key_dim": 2}, AVERAGE], []),
        ([{"type": "Flatten"}], [1]),
        ([{"type": "GlobalMaxPooling1D"}], [1]),
        ([{"type": "Conv1D", "filters": 2, "kernel_size": 3}, {"type": "Flatten"}], [1]),
        ([LSTM | {"return_sequences": True}, {"type": "Flatten"}], [2]),
    ],
)
def test_a_lost_mask_is_remarked(layers: list[Json], lost_at: list[int], make_spec: Any) -> None:
    resolution = resolve(make_spec(dataset=PIXELS, model={"layers": [VECTORS, *layers, OUT]}))
    actual = [remark.pointer for remark in resolution.advice if remark.id == "mask-lost"]
    assert actual == [f"/model/layers/{index}" for index in lost_at]


def test_merging_drops_the_mask_unless_every_input_has_one(make_spec: Any) -> None:
    def lost(mask_zero: bool) -> list[str]:
        other = VECTORS | {"name": "other", "mask_zero": mask_zero, "inputs": ["input"]}
        merged = {"type": "Add", "inputs": ["tokens", "other"]}
        listed = [VECTORS, other, merged, AVERAGE, OUT]
        advice = resolve(make_spec(dataset=PIXELS, model={"layers": listed})).advice
        return [remark.pointer for remark in advice if remark.id == "mask-lost"]

    assert lost(mask_zero=True) == []
    assert lost(mask_zero=False) == ["/model/layers/2"]
