"""What others run a published file with."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from worker.engine.context import Unreadable
from worker.engine.export.litert import write_litert
from worker.engine.export.onnx import write_onnx
from worker.trainer.reader import _LOADERS, _predictions

Rows = npt.NDArray[np.float32]
TOLERANCE = 1e-5


def deviation(output: str, model: keras.Model, rows: Rows, folder: Path) -> float:
    """How far `model` as `output` is from Keras, for all of `rows` and one, relative above 1."""
    batches = [rows, rows[:1]]
    worst = 0.0
    for batch, predicted in zip(batches, run(output, model, batches, folder), strict=True):
        expected = np.asarray(model(batch, training=False))
        assert predicted.shape == expected.shape
        scale = max(1.0, float(np.abs(expected).max()))
        worst = max(worst, float(np.abs(predicted - expected).max()) / scale)
    return worst


def run(output: str, model: keras.Model, batches: list[Rows], folder: Path) -> list[Rows]:
    """What `model`, published as `output`, predicts for each batch."""
    return {"litert": _in_litert, "onnx": _in_onnx}[output](model, batches, folder)


def _in_litert(model: keras.Model, batches: list[Rows], folder: Path) -> list[Rows]:
    (file,) = write_litert(model, folder)
    interpreter = Interpreter(str(file.path), num_threads=1)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    predictions = []
    for batch in batches:
        interpreter.resize_tensor_input(taken["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], batch)
        interpreter.invoke()
        predictions.append(interpreter.get_tensor(given["index"]))
    return predictions


def _in_onnx(model: keras.Model, batches: list[Rows], folder: Path) -> list[Rows]:
    (file,) = write_onnx(model, folder)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it refuses is raised; it need not be logged too
    session = onnxruntime.InferenceSession(file.path, options, providers=["CPUExecutionProvider"])
    return [session.run(["output"], {"input": batch})[0] for batch in batches]


class InThisProcess:
    """The readers of a trainer, without processes: pytest's must not be forked."""

    def __init__(self, output: str) -> None:
        self._load = _LOADERS[output]
        self._reply: list[Rows] | str = []

    def start(self, folder: Path, batches: Sequence[Rows]) -> None:
        """Predict at once."""
        self._reply = _predictions(self._load, folder, batches)

    def predictions(self) -> list[Rows]:
        """What was predicted."""
        if isinstance(self._reply, str):
            raise Unreadable(self._reply)
        return self._reply
