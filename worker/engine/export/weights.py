"""Weights alone, in Keras's format."""

from pathlib import Path

import keras

from worker.engine.context import ExportedFile


def write_weights(model: keras.Model, folder: Path) -> tuple[ExportedFile, ...]:
    """Write `model.weights.h5`, and beside it `model.json`.

    The weights know no layers: `keras.models.model_from_json` makes the model whose `load_weights`
    takes them.
    """
    weights, architecture = folder / "model.weights.h5", folder / "model.json"
    model.save_weights(weights)
    architecture.write_text(model.to_json(), encoding="utf-8")
    return (
        ExportedFile(weights, "application/x-hdf5"),
        ExportedFile(architecture, "application/json"),
    )
