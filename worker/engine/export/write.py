"""Writes the model in every requested format, and the files that describe its rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from ridgeline.api.job import EndCode
from ridgeline.planning.wiring import FEATURE_SCALING, INPUT
from ridgeline.spec.outputs import OutputName
from worker.engine.context import ExportedFile, TrainingContext, TrainingFailed
from worker.engine.data import Data
from worker.engine.export.frozen import CannotHold
from worker.engine.export.keras_file import write_keras
from worker.engine.export.litert import write_litert
from worker.engine.export.onnx import write_onnx
from worker.engine.export.saved_model import write_saved_model
from worker.engine.export.weights import write_weights
from worker.engine.model import Network
from worker.engine.objective import Objective

Writer = Callable[[keras.Model, Path], tuple[ExportedFile, ...]]
WRITERS: Mapping[OutputName, Writer] = {  # train() writes `tensorboard`, which holds no model
    "keras": write_keras,
    "weights": write_weights,
    "saved_model": write_saved_model,
    "litert": write_litert,
    "onnx": write_onnx,
}


def export(
    network: Network,
    objective: Objective,
    data: Data,
    outputs: Sequence[OutputName],
    context: TrainingContext,
) -> tuple[ExportedFile, ...]:
    """Write the model in every requested format, and the row numbers of each part.

    The saved model takes raw rows: the feature scaling is its first layer. Raises TrainingFailed,
    naming the format, if one cannot hold the network.
    """
    model = complete_model(network, objective, data)
    files: list[ExportedFile] = []
    for output in (name for name in outputs if name in WRITERS):
        context.phase(f"exporting {output}")
        files.extend(_written(output, model, context.workdir))
    return (*files, _write_split(data, context.workdir))


def _written(output: OutputName, model: keras.Model, folder: Path) -> tuple[ExportedFile, ...]:
    try:
        return WRITERS[output](model, folder)
    except CannotHold as error:
        raise TrainingFailed(
            EndCode.EXPORT_FAILED,
            f"training succeeded, but {output} cannot hold the network: {error}; remove {output!r}"
            " from outputs",
        ) from error


def _write_split(data: Data, folder: Path) -> ExportedFile:
    """Write the row numbers of each part, so that anyone can evaluate on the same rows."""
    path = folder / "split.npz"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **data.indices)
    return ExportedFile(path, "application/octet-stream")


def complete_model(network: Network, objective: Objective, data: Data) -> keras.Model:
    """The network after its scaling, compiled, so that plain Keras evaluates it and trains further.

    Layers that exist in training only are left out, so that loading needs none of our code.
    """
    scaling = None
    if not data.scaling.identity:
        scaling = keras.layers.Normalization(
            mean=data.scaling.mean, variance=data.scaling.variance, name=FEATURE_SCALING
        )
    network.penalize_outputs()
    model = network.keras_model(keras.Input(network.graph.input_shape, name=INPUT), scaling)
    model.compile(
        optimizer=objective.optimizer, loss=objective.loss, metrics=list(objective.metrics.values())
    )
    return model


def write_features(data: Data, folder: Path) -> tuple[ExportedFile, ...]:
    """Write `features.json`, a RowEncoding, for a stored data set."""
    if data.row_encoding is None:
        return ()
    path = folder / "features.json"
    path.write_text(data.row_encoding.model_dump_json(exclude_none=True), encoding="utf-8")
    return (ExportedFile(path, "application/json"),)
