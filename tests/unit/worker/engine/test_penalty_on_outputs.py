"""The saved model has the penalties on outputs that training had, whatever the layer's type."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.layers import LAYERS
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.model import Network
from worker.engine.regularization.penalty import Penalties

Json = dict[str, Any]
DENSE: Json = {"type": "Dense", "units": 3, "activation": "relu"}
CONVOLUTION: Json = {"filters": 2, "kernel_size": 1}
HEADS: Json = {"num_query_heads": 2, "num_key_value_heads": 1}
#: Layers that take an activity_regularizer, by the shape of their rows.
LAYERS_BY_SHAPE: dict[tuple[int, ...], list[Json]] = {
    (4,): [DENSE, {"type": "EinsumDense", "equation": "ab,bc->ac", "output_shape": [3]}],
    (2, 2): [
        *({"type": kind, "units": 3} for kind in ("SimpleRNN", "LSTM", "GRU")),
        *({"type": kind, **CONVOLUTION} for kind in ("Conv1D", "Conv1DTranspose")),
        {"type": "SeparableConv1D", **CONVOLUTION},
        {"type": "DepthwiseConv1D", "kernel_size": 1},
        {"type": "MultiHeadAttention", "num_heads": 2, "key_dim": 2},
        {"type": "GroupQueryAttention", "head_dim": 2, **HEADS},
    ],
    (2, 2, 1): [
        *({"type": kind, **CONVOLUTION} for kind in ("Conv2D", "Conv2DTranspose", "ConvLSTM1D")),
        {"type": "SeparableConv2D", **CONVOLUTION},
        {"type": "DepthwiseConv2D", "kernel_size": 1},
    ],
    (1, 2, 2, 1): [
        {"type": kind, **CONVOLUTION} for kind in ("Conv3D", "Conv3DTranspose", "ConvLSTM2D")
    ],
    (1, 1, 2, 2, 1): [{"type": "ConvLSTM3D", **CONVOLUTION}],
}
WRAPPED: dict[tuple[int, ...], list[Json]] = {
    (4,): [{"type": "SpectralNormalization", "layer": DENSE}],
    (2, 2): [
        *(
            {"type": "Bidirectional", "layer": {"type": kind, "units": 3}}
            for kind in ("SimpleRNN", "LSTM", "GRU")
        ),
        {"type": "TimeDistributed", "layer": DENSE},
    ],
}
CASES = [
    (shape, layer)
    for group in (LAYERS_BY_SHAPE, WRAPPED)
    for shape, layers in group.items()
    for layer in layers
]


def test_every_type_with_the_argument_is_here() -> None:
    types = {kind for kind, layer in LAYERS.items() if "activity_regularizer" in layer.model_fields}
    assert types == {layer["type"] for layers in LAYERS_BY_SHAPE.values() for layer in layers}


@pytest.mark.parametrize(
    ("shape", "layer"),
    CASES,
    ids=["-".join([c["type"], *([c["layer"]["type"]] if "layer" in c else [])]) for _, c in CASES],
)
def test_losses_of_the_saved_file_are_the_penalty(
    shape: tuple[int, ...], layer: Json, make_spec: MakeSpec, tmp_path: Path
) -> None:
    """The regularizer acts once, on the layer's output, not inside the layer."""
    assert_saved_as_measured(_resolved(shape, layer, make_spec), tmp_path)


@pytest.mark.parametrize("layer", [DENSE, {"type": "ActivityRegularization", "l1": 0.3}])
def test_in_half_precision_the_sum_is_in_full_precision(
    layer: Json, make_spec: MakeSpec, tmp_path: Path
) -> None:
    resolution = _resolved((4,), layer, make_spec, precision="mixed_float16")
    assert_saved_as_measured(resolution, tmp_path, rows=60_000)


def test_the_additional_layer_avoids_the_names_of_the_resolved(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    rnn: Json = {"type": "SimpleRNN", "units": 3, "name": "rnn"}
    dense: Json = DENSE | {"name": "rnn_activity"}
    resolution = _resolved((2, 2), rnn, make_spec, after=[dense])
    network = assert_saved_as_measured(resolution, tmp_path)
    assert network.model.get_layer("rnn_activity_")


def _resolved(
    shape: tuple[int, ...],
    layer: Json,
    make_spec: MakeSpec,
    after: tuple[Json, ...] | list[Json] = (),
    **training: Any,
) -> Resolution:
    reshape: list[Json] = [{"type": "Reshape", "target_shape": list(shape)}] if shape[1:] else []
    head = DENSE | {"activation": "softmax", "activity_regularizer": None}
    layers = [*reshape, layer, *after, {"type": "Flatten"}, head]
    spec = make_spec(
        training=training,
        model={"layers": layers},
        regularization={"activity": {"l1": 0.01, "l2": 0.02}},
    )
    return resolve(spec)


def assert_saved_as_measured(resolution: Resolution, folder: Path, rows: int = 16) -> Network:
    """`model.losses` of the saved file and the penalties that training measures are equal."""
    network = Network(resolution)
    x = np.random.default_rng(1).normal(size=(rows, 4)).astype(np.float32) * 3
    penalties = Penalties(resolution.penalties, network.weights)
    measured = penalties(penalties.coefficients, network.infer(tf.constant(x)).outputs).numpy()
    assert measured.min() > 0
    network.penalize_outputs()
    network.model.save(folder / "model.keras")
    again = keras.models.load_model(folder / "model.keras")
    again(x)
    assert float(sum(again.losses)) == pytest.approx(float(np.sum(measured)), rel=1e-5)
    return network
