"""Converting leaves the model, the process and the folders as they were."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from keras import layers as kl

from ridgeline.api.job import EndCode
from tests.unit.worker.engine.conftest import MakeSpec, Setup
from tests.unit.worker.engine.export.runtimes import TOLERANCE, InThisProcess, run
from worker.engine.context import InMemoryContext, TrainingFailed
from worker.engine.export import Exporting
from worker.engine.export.litert import write_litert
from worker.engine.export.onnx import write_onnx
from worker.engine.export.saved_model import write_saved_model

pytestmark = pytest.mark.slow

WRITERS = (write_saved_model, write_litert, write_onnx)


def recurrent_model() -> keras.Model:
    x = keras.Input((6, 3), name="input")
    series = kl.Bidirectional(kl.LSTM(4, return_sequences=True, dropout=0.2))(x)
    return keras.Model(x, kl.Dense(2)(kl.GRU(3)(series)))


def rows() -> Any:
    return np.random.default_rng(0).normal(size=(7, 6, 3)).astype(np.float32)


def test_nothing_is_left_behind(
    workdir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    model = recurrent_model()
    before = np.asarray(model(rows(), training=False))
    children = psutil.Process().children()
    for write in WRITERS:
        write(model, workdir)
    assert list(temporary.iterdir()) == []
    assert {file.name for file in workdir.iterdir()} == {
        "saved_model.zip",
        "model.tflite",
        "model.onnx",
    }
    assert psutil.Process().children() == children
    assert not tf.config.functions_run_eagerly()
    np.testing.assert_array_equal(model(rows(), training=False), before)
    assert [record for record in caplog.records if record.levelname != "INFO"] == []
    assert capfd.readouterr().out == ""


def test_recurrent_layers_get_their_loop_back(workdir: Path) -> None:
    model = recurrent_model()
    for write in WRITERS:
        write(model, workdir)
    both, one = model.layers[1:3]
    for layer in (both.forward_layer, both.backward_layer, one):
        assert "inner_loop" not in vars(layer)
        assert layer.use_cudnn == "auto"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("output", ["litert", "onnx"])
def test_half_precision_is_published_in_single(policy: str, output: str, workdir: Path) -> None:
    single = recurrent_model()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        half = recurrent_model()
    finally:
        keras.config.set_dtype_policy(before)
    single.set_weights(half.get_weights())
    (predicted,) = run(output, half, [rows()], workdir)
    np.testing.assert_allclose(predicted, single(rows()), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("output", ["litert", "onnx"])
def test_only_output_that_cannot_hold_the_network_fails_the_job(
    output: Any, make_spec: MakeSpec, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond what validation knows: Keras or a converter may change."""
    setup = Setup(make_spec(dataset={"source": "builtin", "name": "iris", "scaling": "none"}))
    x = keras.Input((4,), name="input")
    volume = kl.Reshape((1, 1, 2, 2))(x)
    grouped = kl.Flatten()(kl.Conv3D(2, 1, groups=2)(volume))
    model = keras.Model(x, kl.Dense(3, activation="softmax")(grouped))
    monkeypatch.setattr(setup.network, "keras_model", lambda *_: model)
    context = InMemoryContext(workdir, readers={output: InThisProcess(output)})
    with pytest.raises(TrainingFailed, match=rf"/outputs/0 \({output}\): ") as caught:
        Exporting(setup.network, setup.objective, setup.data, [output], context).settle()
    assert caught.value.code is EndCode.EXPORT_FAILED
    assert list(workdir.iterdir()) == [workdir / "split.npz"]
