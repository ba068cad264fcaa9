"""What half precision must not touch, and what it cannot compute."""

from pathlib import Path

import keras
import numpy as np
import pytest

from ridgeline.planning.resolve import resolve
from tests.unit.worker.engine.conftest import MakeSpec
from worker.engine.context import InMemoryContext
from worker.engine.model import Network
from worker.engine.train import train


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("before", [[], [{"type": "Reshape", "target_shape": [2, 2]}]])
def test_an_embedding_reads_every_number_exactly(
    make_spec: MakeSpec, precision: str, before: list[dict[str, object]]
) -> None:
    """Of bfloat16 300 and 301 are one number, of float16 2048 and 2049."""
    layers = [
        *before,
        {"type": "Embedding", "input_dim": 5000, "output_dim": 4},
        {"type": "Flatten"},
        {"type": "Dense", "units": 2, "activation": "softmax"},
    ]
    texts = {"source": "keras", "name": "imdb", "encoding": "sequence", "maxlen": 4}
    spec = make_spec(
        dataset=texts | {"num_words": 5000},
        split={"validation": 0.2},
        model={"layers": layers},
        training={"precision": precision},
    )
    network = Network(resolve(spec))
    for number in (300, 2048):
        rows = np.full((2, 4), number, np.float32)
        rows[1] += 1
        embedded = keras.Model(network.model.input, network.layers["embedding"].output)
        one, other = np.array(embedded(rows))
        assert not np.array_equal(one, other)
    assert network.layers["embedding"].compute_dtype == precision.removeprefix("mixed_")


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_layers_that_keras_cannot_compute_in_half_precision_train(
    make_spec: MakeSpec, workdir: Path, precision: str
) -> None:
    """They combine their input with float32 numbers, or need an operation without float16."""
    layers = [
        {"type": "Reshape", "target_shape": [4, 4, 4, 1]},
        {"type": "MaxPooling3D", "name": "pooling", "pool_size": [1, 1, 1]},
        {"type": "AveragePooling3D", "pool_size": [1, 1, 1]},
        {"type": "Reshape", "target_shape": [8, 8, 1]},
        {"type": "RandomErasing", "name": "erasing", "value_range": [0, 1]},
        {"type": "RandomGaussianBlur", "name": "blur", "value_range": [0, 1]},
        {"type": "Conv2D", "name": "conv", "filters": 4, "kernel_size": 3},
        {"type": "GlobalAveragePooling2D"},
        {"type": "Dense", "name": "sparse", "units": 4, "activation": "sparsemax"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    spec = make_spec(
        dataset={"source": "builtin", "name": "digits"},
        model={"layers": layers},
        training={"precision": precision, "loss": "categorical_crossentropy", "epochs": 1},
    )
    context = InMemoryContext(workdir)
    train(spec, context)
    assert np.isfinite(context.rows[-1].values["loss"] or np.nan)
    network = Network(resolve(spec))
    half = precision.removeprefix("mixed_")
    expected = {"erasing": "float32", "blur": "float32", "conv": half}
    rare = "float32" if half == "float16" else half
    expected |= {"sparse": rare, "pooling": rare}
    assert {name: network.layers[name].compute_dtype for name in expected} == expected


@pytest.mark.parametrize("kind", ["MixUp", "CutMix"])
def test_labels_are_mixed_in_full_precision(make_spec: MakeSpec, workdir: Path, kind: str) -> None:
    layers = [
        {"type": "Reshape", "target_shape": [8, 8, 1]},
        {"type": kind},
        {"type": "Flatten"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    spec = make_spec(
        dataset={"source": "builtin", "name": "digits"},
        model={"layers": layers},
        training={"precision": "mixed_float16", "loss": "categorical_crossentropy", "epochs": 1},
    )
    context = InMemoryContext(workdir)
    train(spec, context)
    assert np.isfinite(context.rows[-1].values["loss"] or np.nan)
