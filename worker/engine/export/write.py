"""Writes the model in every requested format, and the files that describe its rows."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from ridgeline.api.job import EndCode
from ridgeline.planning.wiring import FEATURE_SCALING, INPUT
from ridgeline.spec.outputs import OutputName
from worker.engine.context import ExportedFile, TrainingContext, TrainingFailed
from worker.engine.data import Data
from worker.engine.export.checked import CheckedExports, Exports
from worker.engine.export.probes import probe_rows
from worker.engine.model import Network
from worker.engine.objective import Objective


class Exporting:
    """The model in every requested format, and the row numbers of each part.

    The saved model takes raw rows: the feature scaling is its first layer. The constructor writes
    the files; the processes that run them go on until settle().
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        data: Data,
        outputs: Sequence[OutputName],
        context: TrainingContext,
    ) -> None:
        model = complete_model(network, objective, data)
        probes = probe_rows(data, tokens=network.takes_tokens)
        self._exports = CheckedExports(model, probes, outputs, context)
        self._split = _write_split(data, context.workdir)

    def settle(self) -> Exports:
        """The files that predict what the model does, and the outputs without such a file.

        Raises TrainingFailed if no file holds the model.
        """
        files, refused = self._exports.settle()
        if refused and not files:
            reasons = "; ".join(
                f"{output.pointer} ({output.output}): {output.detail}" for output in refused
            )
            raise TrainingFailed(
                EndCode.EXPORT_FAILED,
                f"training succeeded, but no requested file holds the model: {reasons}; add 'keras'"
                " to outputs",
            )
        return Exports((*files, self._split), refused)


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
