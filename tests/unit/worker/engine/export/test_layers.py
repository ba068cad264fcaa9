"""Which of Keras's layers LiteRT and ONNX hold: all but those the contract names."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from onnxruntime.capi import onnxruntime_pybind11_state as state

from ridgeline.spec.outputs import OutputName, obstacle
from tests.unit.worker.engine.export.runtimes import TOLERANCE, deviation
from worker.engine.export.frozen import CannotHold

pytestmark = pytest.mark.slow

Branch = Callable[[Any], Any]
CONVERTED: tuple[OutputName, ...] = ("litert", "onnx")
ROWS = 7
ONNX_RUNTIME_ERRORS = (state.Fail, state.InvalidGraph, state.NotImplemented)
ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish"),
    *("sigmoid", "hard_sigmoid", "hard_silu", "softmax", "log_softmax", "softplus", "softsign"),
    *("tanh", "exponential"),
)
SERIES, IMAGE, VOLUME = (12, 4), (12, 10, 4), (8, 8, 6, 4)
SHAPES = {1: SERIES, 2: IMAGE, 3: VOLUME}


def convolutions(axes: int) -> list[Branch]:
    conv, transposed = getattr(kl, f"Conv{axes}D"), getattr(kl, f"Conv{axes}DTranspose")
    branches = [
        maker(2, 3, strides=strides, padding=padding)
        for maker in (conv, transposed)
        for strides, padding in [(1, "valid"), (2, "same")]
    ]
    if axes == 3:
        return [*branches, transposed(2, 2, dilation_rate=2)]
    depthwise, separable = (
        getattr(kl, f"{name}Conv{axes}D") for name in ("Depthwise", "Separable")
    )
    return [
        *branches,
        conv(2, 2, dilation_rate=2),
        conv(4, 3, groups=2),
        depthwise(3, depth_multiplier=2, padding="same", strides=2),
        depthwise(2, dilation_rate=2),
        separable(2, 3, depth_multiplier=2),
        separable(2, 2, dilation_rate=2),
    ]


def pooling(axes: int) -> list[Branch]:
    kinds = [f"Global{kind}Pooling{axes}D" for kind in ("Max", "Average")]
    branches = [getattr(kl, kind)(keepdims=keep) for kind in kinds for keep in (False, True)]
    if axes < 3:
        for kind in ("Max", "Average"):
            pool = getattr(kl, f"{kind}Pooling{axes}D")
            branches += [pool(2), pool(3, strides=2, padding="same")]
            branches += [getattr(kl, f"Adaptive{kind}Pooling{axes}D")(5)]
    return branches


def recurrent(cell: str) -> list[Branch]:
    layer = getattr(kl, cell)
    masked = kl.Masking()
    return [
        layer(3, dropout=0.2, recurrent_dropout=0.2),
        layer(3, return_sequences=True, go_backwards=True),
        lambda x: kl.Bidirectional(layer(2, return_sequences=True))(masked(x)),
        lambda x: layer(3, return_sequences=True, zero_output_for_mask=True)(masked(x)),
        lambda x: layer(3, activation="relu")(masked(x)),
        layer(2, unroll=True),
    ]


def attention() -> list[Branch]:
    return [
        lambda x: kl.MultiHeadAttention(2, 3, value_dim=2, dropout=0.1)(x, x),
        lambda x: kl.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
        lambda x: kl.MultiHeadAttention(2, 2, attention_axes=(1, 2))(
            *[kl.Reshape((3, 4, 4))(x)] * 2
        ),
        lambda x: kl.GroupQueryAttention(3, 4, 2)(x, x),
        lambda x: kl.Attention(use_scale=True, score_mode="concat", dropout=0.1)([x, x]),
        lambda x: kl.AdditiveAttention()([x, x]),
    ]


def normalizations() -> list[Branch]:
    return [
        kl.BatchNormalization(),
        kl.BatchNormalization(axis=1, renorm=True),
        kl.LayerNormalization(),
        kl.LayerNormalization(axis=[1, 2]),
        kl.GroupNormalization(2),
        kl.RMSNormalization(),
        kl.UnitNormalization(),
        kl.SpectralNormalization(kl.Conv2D(2, 3)),
        lambda x: kl.SpectralNormalization(kl.Dense(3))(kl.Flatten()(x)),
        lambda x: kl.GroupNormalization(2)(kl.BatchNormalization()(kl.Flatten()(x))),
        kl.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 4.0, 0.5, 2.0]),
    ]


def noises() -> list[Branch]:
    return [
        *(getattr(kl, name)(0.3) for name in ("Dropout", "AlphaDropout", "GaussianDropout")),
        *(kl.GaussianNoise(0.3), kl.SpatialDropout2D(0.3), kl.ActivityRegularization(0.1, 0.1)),
    ]


def augmentations() -> list[Branch]:
    flips = [kl.RandomFlip(), kl.RandomRotation(0.2), kl.RandomZoom(0.2), kl.RandomContrast(0.2)]
    names = "Shear Perspective ElasticTransform Erasing GaussianBlur Grayscale Invert ColorJitter"
    colours = "Brightness Hue Saturation Sharpness ColorDegeneration"
    return [
        *flips,
        *(getattr(kl, f"Random{name}")() for name in names.split()),
        *(getattr(kl, f"Random{name}")(0.2) for name in colours.split()),
        *(kl.RandomPosterization(4), kl.RandomTranslation(0.2, 0.2), kl.RandomCrop(8, 7)),
        *(kl.MixUp(), kl.CutMix(), kl.RandAugment(), kl.AugMix()),
    ]


def shapes() -> list[Branch]:
    return [
        *(kl.Permute((3, 1, 2)), kl.Reshape((-1, 8)), kl.Rescaling(1 / 255, 0.5), kl.Identity()),
        *(kl.ZeroPadding2D(2), kl.Cropping2D(1), kl.UpSampling2D(2), kl.Resizing(7, 9)),
        *(kl.UpSampling2D(2, interpolation=name) for name in ("bilinear", "bicubic", "lanczos5")),
        lambda x: kl.RepeatVector(3)(kl.Flatten()(x)),
        *(kl.CenterCrop(5, 5), kl.PReLU(shared_axes=[1, 2]), kl.PReLU()),
        *(kl.LeakyReLU(), kl.ELU(), kl.Softmax(axis=1)),
        kl.ReLU(max_value=4, negative_slope=0.1, threshold=0.5),
    ]


def merging() -> list[Branch]:
    def of_two(merge: Any) -> Branch:
        return lambda x: merge([kl.Dense(3)(x), kl.Dense(3)(x)])

    names = "Add Average Maximum Minimum Multiply Subtract Concatenate"
    return [
        *(of_two(getattr(kl, name)()) for name in names.split()),
        *(of_two(kl.Dot(axes=2, normalize=True)), of_two(kl.Dot(axes=1))),
    ]


def embeddings() -> list[Branch]:
    masked = kl.Embedding(20, 3, mask_zero=True)
    return [
        kl.Embedding(20, 4),
        lambda x: kl.GlobalAveragePooling1D()(masked(x)),
        lambda x: kl.LSTM(2)(masked(x)),
    ]


FAMILIES: dict[str, tuple[tuple[int, ...], Callable[[], Sequence[Branch]]]] = {
    "activations": ((6,), lambda: [kl.Dense(4, activation=name) for name in ACTIVATIONS]),
    "dense": (
        (5, 6),
        lambda: [
            kl.Dense(4),
            kl.TimeDistributed(kl.Dense(2)),
            kl.EinsumDense("abc,cde->abde", output_shape=(5, 4, 3), bias_axes="de"),
            kl.EinsumDense("...x,xy->...y", output_shape=4),
        ],
    ),
    "embeddings": ((7,), embeddings),
    **{f"convolution {n}d": (SHAPES[n], partial(convolutions, n)) for n in SHAPES},
    **{f"pooling {n}d": (SHAPES[n], partial(pooling, n)) for n in SHAPES},
    **{name: ((6, 3), partial(recurrent, name)) for name in ("SimpleRNN", "LSTM", "GRU")},
    "ConvLSTM": (
        (3, 6, 5, 2),
        lambda: [
            kl.ConvLSTM2D(2, 3, padding="same", return_sequences=True),
            lambda x: kl.ConvLSTM1D(2, 3)(kl.Reshape((3, 6, 10))(x)),
            lambda x: kl.ConvLSTM3D(2, 2)(kl.Reshape((3, 3, 2, 5, 2))(x)),
        ],
    ),
    "attention": ((12, 4), attention),
    "normalization": (IMAGE, normalizations),
    "dropout and noise": (IMAGE, noises),
    "augmentation": ((12, 10, 3), augmentations),
    "shapes": (IMAGE, shapes),
    "merging": ((5, 6), merging),
}
UNFIT: list[tuple[OutputName, tuple[int, ...], keras.Layer]] = [
    *(("litert", VOLUME, getattr(kl, f"{kind}Pooling3D")(2)) for kind in ("Max", "Average")),
    ("litert", VOLUME, kl.AdaptiveMaxPooling3D(2)),
    ("litert", VOLUME, kl.AdaptiveAveragePooling3D(2)),
    ("litert", VOLUME, kl.Conv3D(2, 2, dilation_rate=2)),
    ("litert", VOLUME, kl.Conv3D(2, 2, groups=2)),
    ("onnx", VOLUME, kl.Conv3D(2, 2, groups=2)),
    ("litert", SERIES, kl.Conv1DTranspose(2, 2, dilation_rate=2)),
    ("litert", IMAGE, kl.Conv2DTranspose(2, 2, dilation_rate=(1, 2))),
]


def network(shape: tuple[int, ...], branches: Sequence[Branch]) -> keras.Model:
    """All `branches` side by side, with weights and statistics that make a difference."""
    x = keras.Input(shape, name="input")
    ends = [kl.Flatten()(branch(x)) for branch in branches]
    model = keras.Model(x, kl.Concatenate()(ends) if len(ends) > 1 else ends[0])
    random = np.random.default_rng(0)
    for variable in model.variables:
        if "variance" in variable.path or "stddev" in variable.path:
            variable.assign(random.uniform(0.5, 2, variable.shape))
        elif variable.trainable:
            variable.assign(random.normal(0, 0.4, variable.shape))
    return model


def rows(shape: tuple[int, ...], family: str = "") -> Any:
    random = np.random.default_rng(1)
    if family == "embeddings":
        return random.integers(0, 20, (ROWS, *shape)).astype(np.float32)
    values = random.normal(0, 1, (ROWS, *shape)).astype(np.float32)
    values[::2, -1] = 0  # a step that Masking hides
    return values


@pytest.mark.filterwarnings("ignore:Layer 'flatten.*does not support masking")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("output", CONVERTED)
def test_holds_every_layer_of(output: OutputName, family: str, tmp_path: Path) -> None:
    shape, branches = FAMILIES[family]
    model = network(shape, branches())
    for layer in model.layers:
        assert obstacle(output, type(layer).__name__, layer.get_config()) is None
    assert deviation(output, model, rows(shape, family), tmp_path) < TOLERANCE


@pytest.mark.parametrize(("output", "shape", "layer"), UNFIT)
def test_refuses_only_what_it_cannot_hold(
    output: OutputName, shape: tuple[int, ...], layer: keras.Layer, tmp_path: Path
) -> None:
    assert obstacle(output, type(layer).__name__, layer.get_config())
    model = network(shape, [layer])
    with pytest.raises((CannotHold, RuntimeError, *ONNX_RUNTIME_ERRORS)):
        deviation(output, model, rows(shape), tmp_path)
