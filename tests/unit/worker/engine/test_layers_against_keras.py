"""Networks of every family of layers train as `keras.Model.fit` trains them."""

from typing import Any

import pytest

from tests.unit.worker.engine.conftest import MakeSpec, Setup
from tests.unit.worker.engine.keras_fit import assert_same_as_fit

pytestmark = pytest.mark.slow

Json = dict[str, Any]

L1: Json = {"l1": 0.002}
L2: Json = {"l2": 0.01}
MAX_NORM: Json = {"type": "MaxNorm", "max_value": 0.8}
ROWS: Json = {"type": "Reshape", "target_shape": [8, 8]}
IMAGE: Json = {"type": "Reshape", "target_shape": [8, 8, 1]}
STEPS: Json = {"type": "Reshape", "target_shape": [2, 8, 4]}
FLAT: Json = {"type": "Flatten"}
PENALIZED: Json = {
    "kernel_regularizer": L2,
    "recurrent_regularizer": L1,
    "bias_regularizer": L2,
    "kernel_constraint": MAX_NORM,
    "recurrent_constraint": {"type": "UnitNorm"},
    "bias_constraint": {"type": "NonNeg"},
}
AFFINE: Json = {"beta_regularizer": L2, "gamma_regularizer": L1, "beta_constraint": MAX_NORM}
TOKENS: Json = {"type": "Embedding", "input_dim": 17, "output_dim": 4}
MASKED: Json = TOKENS | {"mask_zero": True}
SEPARABLE: Json = {"depthwise_regularizer": L2, "pointwise_regularizer": L1}

LAYER_CASES: dict[str, list[Json]] = {
    "SimpleRNN": [ROWS, {"type": "SimpleRNN", "units": 6, **PENALIZED}],
    "LSTM": [ROWS, {"type": "LSTM", "units": 4, **PENALIZED}],
    "GRU": [ROWS, {"type": "GRU", "units": 4, **PENALIZED}],
    "GRU, reset before, unrolled": [
        ROWS,
        {"type": "GRU", "units": 4, "reset_after": False, "unroll": True, **PENALIZED},
    ],
    "Bidirectional": [
        ROWS,
        {"type": "Bidirectional", "layer": {"type": "LSTM", "units": 3, **PENALIZED}},
    ],
    "Conv1D": [
        ROWS,
        {"type": "Conv1D", "filters": 4, "kernel_size": 3, "padding": "causal"},
        FLAT,
    ],
    "Conv2DTranspose": [
        IMAGE,
        {"type": "Conv2DTranspose", "filters": 2, "kernel_size": 3, "strides": 2},
        {"type": "GlobalMaxPooling2D"},
    ],
    "DepthwiseConv2D": [
        IMAGE,
        {
            "type": "DepthwiseConv2D",
            "kernel_size": 3,
            "depth_multiplier": 3,
            "depthwise_regularizer": L1,
            "depthwise_constraint": MAX_NORM,
        },
        FLAT,
    ],
    "SeparableConv2D": [
        IMAGE,
        {"type": "SeparableConv2D", "filters": 3, "kernel_size": 3, **SEPARABLE},
        {"type": "AveragePooling2D"},
        FLAT,
    ],
    "BatchNormalization": [{"type": "BatchNormalization", "momentum": 0.7, **AFFINE}],
    "LayerNormalization": [ROWS, {"type": "LayerNormalization", "axis": [1, 2], **AFFINE}, FLAT],
    "GroupNormalization": [ROWS, {"type": "GroupNormalization", "groups": 2, **AFFINE}, FLAT],
    "PReLU": [
        {"type": "Dense", "units": 6},
        {"type": "PReLU", "alpha_regularizer": L2, "alpha_constraint": {"type": "NonNeg"}},
    ],
    "Embedding": [TOKENS | {"embeddings_regularizer": L2, "embeddings_constraint": MAX_NORM}, FLAT],
    "MultiHeadAttention": [
        ROWS,
        {
            "type": "MultiHeadAttention",
            "num_heads": 2,
            "key_dim": 3,
            "kernel_regularizer": L2,
            "bias_regularizer": L1,
        },
        {"type": "GlobalAveragePooling1D"},
    ],
    "EinsumDense": [
        ROWS,
        {
            "type": "EinsumDense",
            "equation": "abc,cd->abd",
            "output_shape": [8, 3],
            "bias_axes": "d",
            "activation": "tanh",
            "kernel_regularizer": L2,
        },
        FLAT,
    ],
    "SpectralNormalization": [
        {
            "type": "SpectralNormalization",
            "layer": {"type": "Dense", "units": 6, "kernel_regularizer": L2},
        }
    ],
    "SpectralNormalization of EinsumDense": [
        {
            "type": "SpectralNormalization",
            "layer": {"type": "EinsumDense", "equation": "ab,bc->ac", "output_shape": 5},
        }
    ],
    "SpectralNormalization of Embedding": [
        {"type": "SpectralNormalization", "layer": TOKENS | {"embeddings_regularizer": L2}},
        FLAT,
    ],
    "TimeDistributed": [
        ROWS,
        {
            "type": "TimeDistributed",
            "layer": {"type": "Dense", "units": 3, "kernel_regularizer": L1},
        },
        FLAT,
    ],
    "ConvLSTM1D": [
        STEPS,
        {"type": "ConvLSTM1D", "filters": 2, "kernel_size": 3, "recurrent_regularizer": L2},
        FLAT,
    ],
    "ActivityRegularization": [
        {"type": "Dense", "units": 6, "activation": "relu"},
        {"type": "ActivityRegularization", "l1": 0.003, "l2": 0.001},
    ],
    "mask, LSTM": [MASKED, {"type": "LSTM", "units": 3}],
    "mask, all steps, mean": [
        MASKED,
        {"type": "LSTM", "units": 3, "return_sequences": True},
        {"type": "BatchNormalization"},
        {"type": "GlobalAveragePooling1D"},
    ],
    "mask, dropout at rate 0, attention, mean": [
        MASKED,
        {"type": "Dropout", "rate": 0.0},
        {"type": "MultiHeadAttention", "num_heads": 2, "key_dim": 2},
        {"type": "GlobalAveragePooling1D"},
    ],
}
HEAD: Json = {"type": "Dense", "units": 10, "activation": "softmax"}


@pytest.mark.parametrize("case", LAYER_CASES)
def test_same_weights_and_losses_as_fit(case: str, make_spec: MakeSpec) -> None:
    spec = make_spec(
        dataset={"source": "builtin", "name": "digits", "scaling": "none"}
        if "Embedding" in str(LAYER_CASES[case])
        else {"source": "builtin", "name": "digits"},
        model={"layers": [*LAYER_CASES[case], HEAD]},
        training={"batch_size": 256, "optimizer": {"name": "sgd", "momentum": 0.9}},
    )
    assert_same_as_fit(Setup(spec), epochs=2)
