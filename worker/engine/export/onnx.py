"""Writes `model.onnx`, for ONNX Runtime and other engines."""

import importlib
from pathlib import Path

import keras

from worker.engine.context import ExportedFile


def write_onnx(
    model: keras.Model, folder: Path, *, as_it_is: bool = False
) -> tuple[ExportedFile, ...]:
    """Write `model.onnx`: one input `input` and one `output`, the batch axis free.

    `as_it_is` keeps TensorFlow's own operations and leaves out tf2onnx's optimizers. Raises
    CannotHold where ONNX has no operation for something in the network.
    """
    # The converter takes 0.3 s to import: a job that wants no ONNX, and the forkserver, do without.
    conversion = importlib.import_module("worker.engine.export.onnx_conversion")
    path = folder / "model.onnx"
    path.write_bytes(conversion.to_onnx(model, as_it_is=as_it_is))
    return (ExportedFile(path, "application/onnx"),)
