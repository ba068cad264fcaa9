"""Each format is read by its own library alone, in a process of its own, and predicts the same."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.outputs import OutputName
from tests.unit.worker.engine.conftest import Setup
from worker.engine.context import InMemoryContext
from worker.engine.data.sources import load
from worker.engine.export import Exporting
from worker.engine.export.write import complete_model

pytestmark = pytest.mark.slow

OUTPUTS: tuple[OutputName, ...] = ("keras", "weights", "saved_model", "litert", "onnx")
LAYERS: list[dict[str, Any]] = [
    {"type": "Reshape", "target_shape": [4, 4, 4]},
    {"type": "Conv2D", "filters": 6, "kernel_size": 3, "padding": "same"},
    {"type": "BatchNormalization"},
    {"type": "Activation", "activation": "gelu"},
    {"type": "MaxPooling2D"},
    {"type": "Flatten"},
    {"type": "Dropout", "rate": 0.3},
    {"type": "Dense", "units": 10, "activation": "softmax"},
]
SPEC = {
    "dataset": {"source": "builtin", "name": "digits", "scaling": "standard"},
    "model": {"layers": LAYERS},
    "training": {"loss": "sparse_categorical_crossentropy"},
}
PREDICT = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
rows = np.load("rows.npy")
{read}
predictions = {{str(n): predict(rows[:n]) for n in (1, 7)}}
assert not {{"ridgeline", "worker", "service"}} & set(sys.modules)
np.savez({reader!r}, **predictions)
"""
READERS = {
    "keras": """
import keras
predict = lambda x: keras.models.load_model("model.keras").predict(x, verbose=0)
""",
    "weights": """
import keras
model = keras.models.model_from_json(open("model.json").read())
model.load_weights("model.weights.h5")
predict = lambda x: model.predict(x, verbose=0)
""",
    "saved_model": """
import tensorflow as tf
served = tf.saved_model.load("saved_model")
predict = lambda x: served.serve(tf.constant(x)).numpy()
""",
    "litert": """
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter("model.tflite", num_threads=1)
def predict(x):
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(taken["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(given["index"])
""",
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
predict = lambda x: session.run(["output"], {"input": x})[0]
""",
}
NAMES = {
    "keras": {"model.keras"},
    "weights": {"model.weights.h5", "model.json"},
    "saved_model": {"saved_model.zip"},
    "litert": {"model.tflite"},
    "onnx": {"model.onnx"},
}

Predictions = dict[str, npt.NDArray[np.float32]]
Published = tuple[Path, set[str], Predictions]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A trained network with feature scaling, in every format: folder, file names, predictions."""
    folder = tmp_path_factory.mktemp("published")
    setup = Setup(JobSpec.model_validate(SPEC, strict=False))
    raw, target = load(setup.spec.dataset)
    complete_model(setup.network, setup.objective, setup.data).fit(raw, target, verbose=0)
    context = InMemoryContext(folder)
    files, _ = Exporting(setup.network, setup.objective, setup.data, OUTPUTS, context).settle()
    names = {path.name for path in folder.iterdir()}
    assert {file.name for file in files} == names
    np.save(folder / "rows.npy", raw[:7])
    with zipfile.ZipFile(folder / "saved_model.zip") as archive:
        archive.extractall(folder)
    scaled = setup.data.scaling.apply(raw)
    expected = {str(n): setup.network.predict(tf.constant(scaled[:n])).numpy() for n in (1, 7)}
    return folder, names, expected


def test_every_format_has_its_files(published: Published) -> None:
    assert published[1] == {"split.npz"}.union(*(NAMES[output] for output in OUTPUTS))


@pytest.mark.parametrize("reader", OUTPUTS)
def test_predicts_as_trained_without_our_code(reader: str, published: Published) -> None:
    folder, _, expected = published
    program = PREDICT.format(read=READERS[reader], reader=reader)
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    with np.load(folder / f"{reader}.npz") as predicted:
        for rows, predictions in expected.items():
            np.testing.assert_allclose(predicted[rows], predictions, rtol=0, atol=1e-5)
