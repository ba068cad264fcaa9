"""Processes that run exported files as others do: with a format's own runtime and none of our code.

Forked from a trainer before it touches a device, so TensorFlow is imported and no thread lost. The
code that runs in one (below) is the trainer's; what could help a file to load is not: our modules
cannot be imported, and Keras knows no custom object.
"""

import importlib
import os
import signal
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from worker.engine.context import Rows, Unreadable
from worker.trainer.limits import follow_parent

Predict = Callable[[Rows], Rows]

OURS = ("ridgeline", "service", "worker")


class ForkedReader:
    """Runs the files of one output in a process, which those of the same runtime share."""

    def __init__(self, output: str, process: "RuntimeProcess") -> None:
        self._output = output
        self._process = process

    def start(self, folder: Path, batches: Sequence[Rows]) -> None:
        """Load the file in `folder` and predict each of `batches`, while this process goes on."""
        with suppress(OSError):  # it has died: predictions() raises
            self._process.pipe.send((self._output, folder, list(batches)))

    def predictions(self) -> list[Rows]:
        """The predictions for the batches of the last start(), once they are there.

        Call it in the order of the starts. Raises Unreadable with what the runtime said.
        """
        try:
            reply: list[Rows] | str = self._process.pipe.recv()
        except (EOFError, OSError):
            raise Unreadable(f"the runtime crashed ({self._process.end()})") from None
        if isinstance(reply, str):
            raise Unreadable(reply)
        return reply

    def close(self) -> None:
        """End the process."""
        self._process.pipe.close()
        self._process.end()


class RuntimeProcess:
    """A process with the runtime of some outputs, forked by the constructor."""

    def __init__(self, warm_up: Callable[[], object], inherited: Sequence[Connection]) -> None:
        """`inherited` are ends of pipes that must not outlive this process in the new one."""
        self.pipe, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            for pipe in (self.pipe, *inherited):
                pipe.close()
            _serve(theirs, warm_up)
        theirs.close()
        self._end = ""

    def end(self) -> str:
        """How the process ended; waits for its end."""
        if not self._end:
            _, status = os.waitpid(self._pid, 0)
            number = os.waitstatus_to_exitcode(status)
            name = signal.Signals(-number).name if number < 0 else f"exit code {number}"
            self._end = name
        return self._end


def fork_readers(outputs: Sequence[str], pipe: Connection) -> dict[str, ForkedReader]:
    """A reader for each of `outputs` that holds a model; `pipe` stays the trainer's alone."""
    processes: list[RuntimeProcess] = []
    readers: dict[str, ForkedReader] = {}
    for warm_up, theirs in _RUNTIMES.items():
        used = [output for output in outputs if output in theirs]
        if used:
            inherited = [pipe, *(process.pipe for process in processes)]
            processes.append(RuntimeProcess(warm_up, inherited))
            readers |= {output: ForkedReader(output, processes[-1]) for output in used}
    return readers


def _serve(pipe: Connection, warm_up: Callable[[], object]) -> NoReturn:
    """In the new process: predict until the trainer closes the pipe."""
    follow_parent()
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the GPU is the trainer's
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    _forget_our_code()
    try:
        with suppress(Exception):  # a runtime that is missing is reported with the first file
            warm_up()
        while True:
            output, folder, batches = pipe.recv()
            pipe.send(_predictions(_LOADERS[output], folder, batches))
    except (EOFError, OSError):
        os._exit(0)


def _forget_our_code() -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS:
            del sys.modules[name]
    for name in OURS:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` fail
    if "keras" in sys.modules:
        sys.modules["keras"].saving.get_custom_objects().clear()


def _predictions(
    load: Callable[[Path], Predict], folder: Path, batches: Sequence[Rows]
) -> list[Rows] | str:
    try:
        predict = load(folder)
        return [predict(batch) for batch in batches]
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises is the user's reason
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {' '.join(lines)[:300]}"


def _warm_tensorflow() -> None:
    """Compute once what the first model costs more than others: 0.2 s, while training goes on."""
    if "keras" in sys.modules:  # always in a trainer
        keras = sys.modules["keras"]
        rows = keras.Input((2,))
        model = keras.Model(rows, keras.layers.Dense(1, "relu")(rows))
        model(importlib.import_module("numpy").zeros((1, 2), "float32"), training=False)


def _warm_onnx() -> None:
    importlib.import_module("onnxruntime")


def _keras(folder: Path) -> Predict:
    model = importlib.import_module("keras").saving.load_model(folder / "model.keras")
    return lambda rows: _array(model(rows, training=False))


def _weights(folder: Path) -> Predict:
    models = importlib.import_module("keras").models
    model = models.model_from_json((folder / "model.json").read_text(encoding="utf-8"))
    model.load_weights(folder / "model.weights.h5")
    return lambda rows: _array(model(rows, training=False))


def _saved_model(folder: Path) -> Predict:
    tensorflow = importlib.import_module("tensorflow")
    with tempfile.TemporaryDirectory(dir=folder) as tree:
        with zipfile.ZipFile(folder / "saved_model.zip") as archive:
            archive.extractall(tree)
        served = tensorflow.saved_model.load(f"{tree}/saved_model")
    signature = served.signatures["serving_default"]

    def predict(rows: Rows) -> Rows:
        _ = served  # holds the variables that the signature reads
        return _array(signature(input=tensorflow.constant(rows))["output"])

    return predict


def _warm_litert() -> None:
    """Nothing: it is a part of TensorFlow, and takes a millisecond."""


def _litert(folder: Path) -> Predict:
    lite = importlib.import_module("tensorflow").lite
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends its own package, the same code again
        interpreter = lite.Interpreter(str(folder / "model.tflite"))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(rows: Rows) -> Rows:
        interpreter.resize_tensor_input(taken["index"], rows.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], rows)
        interpreter.invoke()
        return _array(interpreter.get_tensor(given["index"]))

    return predict


def _onnx(folder: Path) -> Predict:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # more would spin while the trainer computes
    session = runtime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    return lambda rows: _array(session.run(["output"], {"input": rows})[0])


def _array(predictions: Any) -> Rows:
    array: Rows = importlib.import_module("numpy").asarray(predictions, "float32")
    return array


_LOADERS: Mapping[str, Callable[[Path], Predict]] = {
    "keras": _keras,
    "weights": _weights,
    "saved_model": _saved_model,
    "litert": _litert,
    "onnx": _onnx,
}
_RUNTIMES: Mapping[Callable[[], object], tuple[str, ...]] = {
    _warm_tensorflow: ("keras", "weights", "saved_model"),
    _warm_litert: ("litert",),
    _warm_onnx: ("onnx",),
}
"""What prepares a runtime → the outputs that it runs."""
