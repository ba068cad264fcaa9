"""Keras's own cache of data sets: finds a file in it, or fetches it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ridgeline.api.job import EndCode
from worker.engine.context import TrainingFailed
from worker.engine.data.sources.download import Unreachable, download
from worker.inputs.keras_files import KERAS_FILES, KerasFile, keras_folder


@dataclass(frozen=True)
class KerasCache:
    """A folder, and the files that belong in it."""

    folder: Path = field(default_factory=keras_folder)
    files: Mapping[str, KerasFile] = field(default_factory=lambda: KERAS_FILES)

    def path(self, name: str) -> Path:
        """Where the file is, checked; it is fetched if it is missing.

        Raises TrainingFailed where it cannot be fetched, or is not the file Keras knows.
        """
        file = self.files[name]
        path = self.folder / file.path
        if path.is_file():
            _check(path, file)
        else:
            self._fetch(path, file)
        return path

    def _fetch(self, path: Path, file: KerasFile) -> None:
        try:
            digest = download(file.url, path, file.sha256)
        except (Unreachable, OSError) as error:
            raise TrainingFailed(
                EndCode.DATA_UNAVAILABLE,
                f"{path.name} is not on the worker and could not be downloaded ({error}); download"
                f" {file.url} elsewhere and put it at {path}, then post the job again",
            ) from error
        if digest != file.sha256 and file.sha256 is not None:
            raise TrainingFailed(
                EndCode.DATA_UNAVAILABLE,
                f"what {file.url} gave is not the file Keras knows: its SHA-256 is {digest},"
                f" expected {file.sha256}; it was thrown away. Put the right file at {path}",
            )


def _check(path: Path, file: KerasFile) -> None:
    if file.sha256 is None:
        return
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != file.sha256:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"{path} is not the file Keras knows: its SHA-256 is {digest}, expected {file.sha256};"
            f" delete it, or put the file of {file.url} there",
        )
