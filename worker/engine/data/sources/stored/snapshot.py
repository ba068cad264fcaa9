"""The spec of a stored data set with its file, both known to exist."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ridgeline.api.features import RowEncoding, TargetFeatures
from ridgeline.api.job import EndCode
from ridgeline.planning.dataset import dataset_shape
from ridgeline.spec.dataset import DatasetShape, UploadDataset
from ridgeline.spec.dataset.stored import DatasetSnapshot
from worker.engine.context import TrainingFailed


class Snapshot(NamedTuple):
    """What is to be read, and its description."""

    dataset: UploadDataset
    """With every default spelled out."""
    stored: DatasetSnapshot
    file: Path
    shape: DatasetShape

    @classmethod
    def of(cls, dataset: UploadDataset, file: Path | None) -> Self:
        """Pair spec and file; raises TrainingFailed without a file."""
        if file is None or dataset.stored is None:
            raise TrainingFailed(
                EndCode.DATA_UNAVAILABLE,
                f"the stored data set {dataset.id} is not on the worker; store it again, or ask the"
                " operator whether the worker reaches the store of data sets",
            )
        return cls(dataset, dataset.stored, file, dataset_shape(dataset))

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The type of the encoded rows: bytes if they suffice, integers for words, else floats."""
        encodings = self.dataset.encodings.values()
        if self.shape.bytes_per_number == 1:
            return np.dtype(np.uint8)
        words = any(encoding.type == "sequence" for encoding in encodings)
        return np.dtype(np.int32 if words else np.float32)

    def encoding(self, classes: tuple[str, ...] | None, **parts: Any) -> RowEncoding:
        """The description of how rows are encoded, with the `parts` of this kind of file."""
        return RowEncoding(
            dataset=self.dataset.id,
            sha256=self.stored.sha256,
            format=self.stored.format,
            shape=self.shape.features,
            dtype=self.dtype.name,  # type: ignore[arg-type]
            target=TargetFeatures(
                name=self.dataset.target,
                task="regression" if classes is None else "classification",
                classes=classes,
            ),
            **parts,
        )
