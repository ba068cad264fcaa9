"""Keras's own file: architecture, weights, optimizer state."""

from pathlib import Path

import keras

from worker.engine.context import ExportedFile


def write_keras(model: keras.Model, folder: Path) -> tuple[ExportedFile, ...]:
    """Write `model.keras`, which `keras.models.load_model` reads."""
    path = folder / "model.keras"
    model.save(path)
    return (ExportedFile(path, "application/vnd.keras"),)
