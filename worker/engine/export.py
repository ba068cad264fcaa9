"""Writes the trained model in the formats a spec asks for."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from ridgeline.contract.training import OutputName
from ridgeline.contract.wiring import FEATURE_SCALING, INPUT
from worker.engine.context import ExportedFile
from worker.engine.data import Data
from worker.engine.model import Network
from worker.engine.objective import Objective


def export(
    network: Network, objective: Objective, data: Data, outputs: Sequence[OutputName], folder: Path
) -> tuple[ExportedFile, ...]:
    """Write the model in every asked format, and which rows it was trained on.

    The saved model takes raw rows: the feature scaling is its first layer.
    """
    model = _complete_model(network, objective, data)
    writers = {"keras": _write_keras, "saved_model": _write_saved_model}
    files = [writers[output](model, folder) for output in outputs]
    return (*files, _write_split(data, folder))


def _complete_model(network: Network, objective: Objective, data: Data) -> keras.Model:
    """The network behind its scaling, compiled: plain Keras evaluates it and trains on."""
    if data.scaling.identity:
        model = network.model
    else:
        scaling = keras.layers.Normalization(
            mean=data.scaling.mean, variance=data.scaling.variance, name=FEATURE_SCALING
        )
        model = network.keras_model(keras.Input(network.graph.input_shape, name=INPUT), scaling)
    model.compile(
        optimizer=objective.optimizer, loss=objective.loss, metrics=list(objective.metrics.values())
    )
    return model


def _write_keras(model: keras.Model, folder: Path) -> ExportedFile:
    path = folder / "model.keras"
    model.save(path)
    return ExportedFile(path, "application/vnd.keras")


def _write_saved_model(model: keras.Model, folder: Path) -> ExportedFile:
    """A SavedModel is a folder; it travels as a zip, stored as it is: weights do not shrink."""
    tree = folder / "saved_model"
    model.export(tree, format="tf_saved_model", verbose=False)
    path = folder / "saved_model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(tree.rglob("*")):
            archive.write(file, file.relative_to(folder))
    shutil.rmtree(tree)
    return ExportedFile(path, "application/zip")


def _write_split(data: Data, folder: Path) -> ExportedFile:
    """Row numbers of each part, so that anyone can evaluate on the same rows."""
    path = folder / "split.npz"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **data.indices)
    return ExportedFile(path, "application/octet-stream")
