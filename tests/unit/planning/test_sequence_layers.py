"""Recurrent layers, attention, wrappers, normalization and noise: bounds, counts, round trips."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ridgeline.planning.graph import build_graph
from ridgeline.planning.policy import penalty_terms
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.planning.wiring import wire
from ridgeline.spec.job_spec import JobSpec, Model
from ridgeline.spec.layers import LAYERS, Layer, Shape
from tests.unit.networks import sequence_layers

Json = dict[str, Any]
CLASSES: list[Json] = [{"type": "Flatten"}, {"type": "Dense", "units": 10, "activation": "softmax"}]
POLICY = {"weights": {"l2": 0.1}, "bias": {"l1": 0.2}, "constraint": {"type": "MaxNorm"}}


def sequence(steps: int, *layers: Json) -> list[Json]:
    """Layers that read the rows of digits as sequences."""
    return [{"type": "Reshape", "target_shape": [steps, -1]}, *layers, *CLASSES]


@pytest.fixture
def resolved(make_spec: Any) -> Callable[..., Resolution]:
    def resolve_layers(*layers: Json, **sections: Any) -> Resolution:
        return resolve(make_spec(model={"layers": sequence(8, *layers)}, **sections))

    return resolve_layers


# Penalties and constraints -----------------------------------------------------------------------


def test_the_policy_reaches_recurrent_kernels(resolved: Any) -> None:
    resolution = resolved({"type": "LSTM", "units": 3}, regularization=POLICY)
    keys = {term.key for term in resolution.penalties}
    assert {"lstm/kernel/l2", "lstm/recurrent_kernel/l2", "lstm/bias/l1"} <= keys
    (lstm,) = (node.layer for node in resolution.graph.nodes if node.name == "lstm")
    assert lstm.recurrent_constraint.type == lstm.kernel_constraint.type == "MaxNorm"
    assert lstm.bias_constraint is None


def test_the_policy_reaches_both_directions(resolved: Any) -> None:
    layer = {"type": "Bidirectional", "layer": {"type": "GRU", "units": 3}}
    keys = {term.key for term in resolved(layer, regularization=POLICY).penalties}
    for part in ("forward_layer", "backward_layer"):
        assert f"bidirectional/{part}/kernel/l2" in keys
        assert f"bidirectional/{part}/recurrent_kernel/l2" in keys
        assert f"bidirectional/{part}/bias/l1" in keys


def test_the_policy_reaches_every_projection(resolved: Any) -> None:
    layer = {"type": "MultiHeadAttention", "num_heads": 2, "key_dim": 3, "use_gate": True}
    terms = resolved(layer, regularization={"weights": {"l2": 0.1}}).penalties
    weights = [term.weight for term in terms if term.layer == "multi_head_attention"]
    parts = ("query", "key", "gate", "value", "attention_output")
    assert weights == [f"{part}/kernel" for part in parts]


def test_a_wrapped_layers_own_null_takes_precedence(resolved: Any) -> None:
    inner = {"type": "Dense", "units": 3, "kernel_regularizer": None}
    resolution = resolved({"type": "TimeDistributed", "layer": inner}, regularization=POLICY)
    keys = {term.key for term in resolution.penalties}
    assert "time_distributed/kernel/l2" not in keys
    assert "time_distributed/bias/l1" in keys


def test_an_activity_regularization_has_a_term_of_its_own(parse_layers: Any) -> None:
    (layer,) = wire(parse_layers({"type": "ActivityRegularization", "l1": 0.1, "l2": 0.2}))
    terms = penalty_terms(layer, (), batch_size=4, rows=10)
    assert [(term.key, term.coefficient) for term in terms] == [
        ("activity_regularization/activity/l1", 0.1),
        ("activity_regularization/activity/l2", 0.2),
    ]


def test_dropout_goes_after_a_wrapped_dense_layer(resolved: Any) -> None:
    dense = {"type": "Dense", "units": 3}
    policy = {"dropout": {"rate": 0.3, "after": ["dense"]}}
    for wrapper in ("TimeDistributed", "SpectralNormalization"):
        graph = resolved({"type": wrapper, "layer": dense}, regularization=policy).graph
        assert [node.layer.type_name() for node in graph.nodes].count("Dropout") == 1


@pytest.mark.parametrize(
    ("layer", "pointer"),
    [
        (
            {"type": "GRU", "units": 1, "recurrent_regularizer": {"orthogonal": {}}},
            "/model/layers/1/recurrent_regularizer",
        ),
        (
            {
                "type": "TimeDistributed",
                "layer": {
                    "type": "Dense",
                    "units": 2,
                    "kernel_constraint": {"type": "MaxNorm", "axis": 2},
                },
            },
            "/model/layers/1/layer/kernel_constraint/axis",
        ),
        (
            {
                "type": "MultiHeadAttention",
                "num_heads": 2,
                "key_dim": 3,
                "kernel_regularizer": {"orthogonal": {}},
            },
            "/model/layers/1/kernel_regularizer",
        ),
        (
            {"type": "LayerNormalization", "gamma_regularizer": {"orthogonal": {}}},
            "/model/layers/1/gamma_regularizer",
        ),
    ],
)
def test_penalties_that_cannot_be_applied_are_rejected(
    layer: Json, pointer: str, make_spec: Any, faults_of: Any
) -> None:
    spec = make_spec(model={"layers": sequence(8, layer)})
    assert {fault.pointer for fault in faults_of(lambda: resolve(spec))} == {pointer}


@pytest.mark.parametrize(
    ("policy", "pointer"),
    [
        ({"bias": {"orthogonal": {}}}, "/regularization/bias"),
        ({"constraint": {"type": "MaxNorm", "axis": 2}}, "/regularization/constraint/axis"),
        # TensorFlow sums over an axis once, and fails where it is named twice.
        ({"constraint": {"type": "UnitNorm", "axis": [0, 0]}}, "/regularization/constraint/axis"),
        ({"constraint": {"type": "UnitNorm", "axis": [0, -2]}}, "/regularization/constraint/axis"),
    ],
)
def test_policies_that_cannot_be_applied_are_rejected(
    policy: Json, pointer: str, make_spec: Any, faults_of: Any
) -> None:
    spec = make_spec(regularization=policy)
    assert {fault.pointer for fault in faults_of(lambda: resolve(spec))} == {pointer}


# Work and memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "shapes", "expected"),
    [
        # Both kernels at all 5 steps, whether or not every step is returned.
        ([{"type": "LSTM", "units": 3}], (5, 4), 5 * (4 * 12 + 3 * 12)),
        ([{"type": "GRU", "units": 3, "return_sequences": True}], (5, 4), 5 * (4 * 9 + 3 * 9)),
        (
            [{"type": "Bidirectional", "layer": {"type": "SimpleRNN", "units": 3}}],
            (5, 4),
            2 * 5 * (4 * 3 + 3 * 3),
        ),
        # A 2 x 2 window over 2 channels, then over 3 filters, at 4 x 4 places of 5 steps.
        (
            [{"type": "ConvLSTM2D", "filters": 3, "kernel_size": 2}],
            (5, 5, 5, 2),
            5 * 16 * (4 * 2 * 12 + 4 * 3 * 12),
        ),
        ([{"type": "TimeDistributed", "layer": {"type": "Dense", "units": 3}}], (5, 4), 5 * 12),
        ([{"type": "SpectralNormalization", "layer": {"type": "Dense", "units": 3}}], (4,), 12),
        # Three projections and their joining at 5 places, scores and means over 5 x 5 pairs.
        (
            [{"type": "MultiHeadAttention", "num_heads": 2, "key_dim": 3}],
            (5, 4),
            5 * 4 * (4 * 2 * 3) + 2 * 25 * (3 + 3),
        ),
        ([{"type": "Attention", "inputs": ["input", "input"]}], (5, 4), 25 * (4 + 4)),
    ],
)
def test_multiply_adds(layers: list[Json], shapes: Shape, expected: int, parse_layers: Any) -> None:
    assert build_graph(wire(parse_layers(*layers)), shapes).multiply_adds == expected


def test_attention_scores_count_in_memory(parse_layers: Any) -> None:
    """They grow with the square of the sequence and need most of the memory."""
    layer = {"type": "MultiHeadAttention", "num_heads": 4, "key_dim": 1}
    short, long = (
        build_graph(wire(parse_layers(layer)), (steps, 1)).activations for steps in (1000, 2000)
    )
    assert 3.9 < long / short < 4.1
    assert short > 4 * 1000 * 1000


# Bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"type": "LSTM", "units": 2, "dropout": 1.0}, "less than 1"),
        ({"type": "LSTM", "units": 2, "return_state": True}, "not permitted"),
        ({"type": "LSTM", "units": 2, "stateful": True}, "not permitted"),
        ({"type": "ConvLSTM2D", "filters": 1, "kernel_size": 257}, "256"),
        (
            {"type": "Bidirectional", "layer": {"type": "LSTM", "units": 2, "go_backwards": True}},
            "go_backwards false",
        ),
        ({"type": "Bidirectional", "layer": {"type": "Dense", "units": 2}}, "Dense"),
        ({"type": "TimeDistributed", "layer": {"type": "LSTM", "units": 2}}, "LSTM"),
        ({"type": "SpectralNormalization", "layer": {"type": "MaxPooling2D"}}, "MaxPooling2D"),
        (
            {"type": "TimeDistributed", "layer": {"type": "Dense", "units": 2, "name": "a"}},
            "neither name nor inputs",
        ),
        (
            {
                "type": "GroupQueryAttention",
                "head_dim": 2,
                "num_query_heads": 3,
                "num_key_value_heads": 2,
            },
            "multiple of num_key_value_heads",
        ),
        ({"type": "GaussianNoise", "stddev": 1.1}, "less than or equal to 1"),
        ({"type": "DropPath", "rate": 1.0}, "less than 1"),
        ({"type": "LayerNormalization", "axis": [1, -1]}, "all axes positive or all negative"),
        ({"type": "LayerNormalization", "axis": [1, 1]}, "each value once"),
        (
            {"type": "BatchNormalization", "renorm_clipping": {"rmin": 2.0, "rmax": 1.0}},
            "at most rmax",
        ),
        (
            {
                "type": "Dense",
                "units": 1,
                "kernel_constraint": {"type": "MinMaxNorm", "min_value": 2.0},
            },
            "at most max_value",
        ),
        ({"type": "RandomZoom", "height_factor": 1.0}, "0.99"),
        ({"type": "RandomErasing", "scale": [0.5, 0.1]}, "lower bound first"),
        ({"type": "RandomGaussianBlur", "kernel_size": 4}, "odd"),
        ({"type": "RandomBrightness", "factor": 0.1, "value_range": [1, 1]}, "smaller value first"),
        ({"type": "MixUp", "alpha": 0}, "greater than 0"),
        (
            {
                "type": "Resizing",
                "height": 2,
                "width": 2,
                "crop_to_aspect_ratio": True,
                "pad_to_aspect_ratio": True,
            },
            "received both",
        ),
    ],
)
def test_arguments_out_of_bounds_are_rejected(layer: Json, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Model.model_validate_json(json.dumps({"layers": [layer]}))


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        ({"type": "LSTM", "units": 2, "unroll": True}, (257, 1), "at most 256"),
        ({"type": "LSTM", "units": 2}, (4,), "(time, features)"),
        (
            {"type": "TimeDistributed", "layer": {"type": "Dense", "units": 1}},
            (257, 1),
            "at most 256",
        ),
        ({"type": "TimeDistributed", "layer": {"type": "Flatten"}}, (4,), "(time, …)"),
        ({"type": "MultiHeadAttention", "num_heads": 1, "key_dim": 1}, (4,), "(time, features)"),
        ({"type": "GroupNormalization", "groups": 2}, (4, 3), "divide the 3 channels"),
        ({"type": "Dropout", "rate": 0.1, "noise_shape": [None, 2]}, (4,), "each null or 1"),
        ({"type": "DropBlock2D", "rate": 0.1, "block_size": 5}, (4, 9, 1), "smaller block_size"),
        ({"type": "RandomHue", "factor": 0.1}, (4, 4, 1), "3 channels"),
        ({"type": "RandomFlip"}, (30,), "expects images"),
        ({"type": "MixUp"}, (30,), "expects images"),
    ],
)
def test_shapes_out_of_bounds_are_rejected(
    layer: Json, shape: Shape, words: str, parse_layers: Any, faults_of: Any
) -> None:
    (fault,) = faults_of(lambda: build_graph(wire(parse_layers(layer)), shape))
    assert words in fault.detail


# Round trips -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sequence_layers.ARGUMENTS)
@given(data=st.data())
@settings(max_examples=5)
def test_a_layer_can_be_written_and_read_again(kind: str, data: st.DataObject) -> None:
    arguments = data.draw(sequence_layers.ARGUMENTS[kind]((4, 3)))
    model = Model.model_validate_json(json.dumps({"layers": [{"type": kind, **arguments}]}))
    short = Model.model_validate_json(model.model_dump_json(exclude_unset=True))
    full = Model.model_validate_json(model.model_dump_json())
    assert short == full == model
    (layer,) = short.layers
    assert layer.model_fields_set == model.layers[0].model_fields_set
    assert isinstance(layer, LAYERS[kind])


def test_unset_fields_inside_a_wrapper_stay_unset() -> None:
    layer = {"type": "TimeDistributed", "layer": {"type": "Dense", "units": 2}}
    model = Model.model_validate_json(json.dumps({"layers": [layer]}))
    text = model.model_dump_json(exclude_unset=True)
    assert json.loads(text) == {"layers": [layer]}


def test_resolving_a_resolved_spec_changes_nothing(resolved: Any) -> None:
    layers: list[Json] = [
        {"type": "Bidirectional", "layer": {"type": "GRU", "units": 2, "return_sequences": True}},
        {"type": "MultiHeadAttention", "num_heads": 2, "key_dim": 3},
        {"type": "LayerNormalization", "axis": [1, 2]},
        {"type": "TimeDistributed", "layer": {"type": "Dense", "units": 3}},
        {"type": "ActivityRegularization", "l1": 0.1},
        {"type": "AlphaDropout", "rate": 0.1, "noise_shape": [None, 1, 3]},
    ]
    dropout = {"rate": 0.3, "after": ["dense"]}
    once = resolved(*layers, regularization={**POLICY, "dropout": dropout})
    text = once.spec.model_dump_json()
    again = resolve(JobSpec.model_validate_json(text))
    assert again.spec == once.spec
    assert again.penalties == once.penalties
    assert json.loads(again.spec.model_dump_json()) == json.loads(text)


def test_wrappers_accept_a_closed_set_of_layers() -> None:
    def held(kind: str) -> set[str]:
        schema = LAYERS[kind].model_json_schema()
        return set(schema["properties"]["layer"]["discriminator"]["mapping"])

    recurrent = {"SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
    assert held("Bidirectional") == recurrent
    assert {"Dense", "Conv2D", "MaxPooling2D", "Flatten"} <= held("TimeDistributed")
    assert {"Dense", "Conv2D"} <= held("SpectralNormalization")
    for kind in ("TimeDistributed", "SpectralNormalization"):
        assert not held(kind) & (recurrent | {"Dropout", "MultiHeadAttention", kind})
    assert issubclass(LAYERS["Bidirectional"], Layer)
