"""LiteRT and ONNX predict what Keras does at zeros, at extremes and over padding."""

import itertools
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from ridgeline.spec.layers.base import Activation
from tests.unit.worker.engine.export.runtimes import Rows, run

pytestmark = pytest.mark.slow

CONVERTED = ("litert", "onnx")
NUMBERS = (0, 1e-30, 1e-12, 1e-7, 1e-3, 0.5, 1, 2.5, 6, 20, 80, 87, 88, 89, 104, 500, 1e3, 1e4, 1e6)
EXTREMES = np.array([[sign * number] * 3 for number in NUMBERS for sign in (1, -1)], np.float32)
RESIZED = (((28, 28), (227, 227)), ((7, 5), (3, 2)))
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5")


def assert_agrees(output: str, model: keras.Model, rows: Rows, folder: Path) -> None:
    """Relative above 1, number by number, since the columns are of different layers."""
    for batch, predicted in zip(
        [rows, rows[:1]], run(output, model, [rows, rows[:1]], folder), strict=True
    ):
        expected = np.asarray(model(batch, training=False))
        finite = np.isfinite(expected)
        np.testing.assert_allclose(predicted[finite], expected[finite], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("output", CONVERTED)
def test_activations_at_extremes(output: str, workdir: Path) -> None:
    x = keras.Input((3,), name="input")
    names = typing.get_args(Activation)
    ends = [kl.Activation(name)(x) for name in names if name != "sparsemax"]
    assert_agrees(output, keras.Model(x, kl.Concatenate()(ends)), EXTREMES, workdir)


@pytest.mark.parametrize("output", CONVERTED)
def test_softplus_inside_a_recurrent_layer(output: str, workdir: Path) -> None:
    x = keras.Input((4, 3), name="input")
    model = keras.Model(x, kl.SimpleRNN(2, activation="softplus")(x))
    rows = np.repeat(EXTREMES[:, np.newaxis], 4, axis=1)[np.abs(EXTREMES[:, 0]) <= 1e3]
    assert_agrees(output, model, rows, workdir)


@pytest.mark.parametrize("output", CONVERTED)
def test_normalizations_of_zeros(output: str, workdir: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(6, 4, 4, 2)).astype(np.float32)
    rows[0], rows[1, :, :2], rows[2], rows[3, 0, 0], rows[4] = 0, 0, 1e4, 0, 1e-8
    x = keras.Input((4, 4, 2), name="input")
    series = kl.Reshape((16, 2))(x)
    ends = [
        *(kl.UnitNormalization(axis=axis)(x) for axis in (-1, [1, 2], [1, 2, 3])),
        *(kl.LayerNormalization()(x), kl.RMSNormalization()(x), kl.GroupNormalization(1)(x)),
        kl.Dot(axes=2, normalize=True)([series, kl.ReLU()(series)]),
    ]
    model = keras.Model(x, kl.Concatenate()([kl.Flatten()(end) for end in ends]))
    assert_agrees(output, model, rows, workdir)


@pytest.mark.parametrize(("before", "after"), RESIZED)
@pytest.mark.parametrize("output", CONVERTED)
def test_resizing(
    output: str, before: tuple[int, int], after: tuple[int, int], workdir: Path
) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2, *before, 2)).astype(np.float32)
    x = keras.Input((*before, 2), name="input")
    options: list[dict[str, Any]] = [
        *({"antialias": True}, {"crop_to_aspect_ratio": True}),
        {"pad_to_aspect_ratio": True, "fill_value": 7.5},
    ]
    ends = [
        *(kl.Resizing(*after, interpolation=name)(x) for name in INTERPOLATIONS),
        *(kl.Resizing(*after, **option)(x) for option in options),
    ]
    model = keras.Model(x, kl.Concatenate()([*ends, kl.CenterCrop(*after)(x)]))
    assert_agrees(output, model, rows, workdir)


def recurrent(kind: Any) -> Iterator[keras.Layer]:
    """Unrolled or not, forwards, backwards and both; the first kind with every option of a mask."""
    several = (False, True) if kind is kl.SimpleRNN else (True,)
    for unroll, sequences, zeros in itertools.product((False, True), several, several):
        options = {
            "unroll": unroll,
            "return_sequences": sequences,
            "zero_output_for_mask": zeros,
        }
        yield kind(2, go_backwards=True, **options)
        yield kl.Bidirectional(kind(2, **options))


@pytest.mark.filterwarnings("ignore:Layer 'flatten.*does not support masking")
@pytest.mark.parametrize("kind", [kl.SimpleRNN, kl.LSTM, kl.GRU])
@pytest.mark.parametrize("output", CONVERTED)
def test_recurrent_layers_over_padding(output: str, kind: Any, workdir: Path) -> None:
    rows = np.random.default_rng(1).integers(0, 9, (6, 4)).astype(np.float32)
    rows[0], rows[1, 2:], rows[2, :2], rows[3, ::2] = 0, 0, 0, 0
    x = keras.Input((4,), name="input")
    masked = kl.Embedding(9, 3, mask_zero=True, embeddings_initializer="glorot_normal")(x)
    ends = [kl.Flatten()(layer(masked)) for layer in recurrent(kind)]
    assert_agrees(output, keras.Model(x, kl.Concatenate()(ends)), rows, workdir)
