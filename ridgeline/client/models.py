"""Loads a trained model into Keras."""

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from ridgeline.client.artifacts import Artifacts
from ridgeline.client.downloads import OnProgress
from ridgeline.client.errors import KerasMissingError

MODEL = "model.keras"


class Models(Artifacts):
    """The part of the client that hands a trained model to Keras."""

    def load_model(self, job_id: str, on_progress: OnProgress | None = None) -> Any:
        """Download a job's `model.keras` and load it: a `keras.Model`, ready to predict.

        It takes rows as they are in the data set: what scales the features is its first layer. It
        needs no code of Ridgeline's; Keras and a backend must be installed, and are imported here.
        The penalties are part of it, so `compile` and `fit` go on with the same regularization.

        >>> model = client.load_model(job.id)
        >>> model.predict(rows)

        Raises KerasMissingError, NoSuchArtifactError where the job has not succeeded, or its
        `outputs` leave out `keras`, NotFoundError and ChecksumError.
        """
        # First, and by its name alone: the client must not depend on Keras, which takes seconds
        # to import.
        saving = _keras_saving()
        with tempfile.TemporaryDirectory(prefix="ridgeline-") as folder:
            path = self.download(job_id, MODEL, Path(folder) / MODEL, on_progress)
            return saving.load_model(path)


def _keras_saving() -> Any:
    try:
        return import_module("keras.saving")
    except ImportError as error:
        raise KerasMissingError(
            f"Keras cannot be imported here ({error}); install it with a backend, such as"
            " `pip install keras tensorflow`, or take the file alone with download()"
        ) from error
