"""Reads raw rows from the source that the spec names."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.spec.dataset import BuiltinDataset, Dataset, UploadDataset
from worker.engine.data.sources.builtin import builtin_rows
from worker.engine.data.sources.cache import KerasCache
from worker.engine.data.sources.keras_datasets import keras_rows
from worker.engine.data.sources.rows import RawRows, SetRows
from worker.engine.data.sources.stored import stored_rows

__all__ = ["KerasCache", "RawRows", "SetRows", "load", "raw_rows"]


def raw_rows(
    dataset: Dataset, cache: KerasCache | None = None, file: Path | None = None
) -> SetRows:
    """The rows that the split divides, and those that the set holds out itself.

    Keras's files come from `cache`, by default Keras's own; a stored data set from `file`. Raises
    TrainingFailed if they are unavailable or not as expected.
    """
    if isinstance(dataset, BuiltinDataset):
        return builtin_rows(dataset)
    if isinstance(dataset, UploadDataset):
        return stored_rows(dataset, file)
    return keras_rows(dataset, cache or KerasCache())


def load(
    dataset: Dataset, cache: KerasCache | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Raw features (rows, …) and target (rows,) of the divided rows, for notebooks and tests.

    Raises TrainingFailed as `raw_rows` does.
    """
    raw = raw_rows(dataset, cache).divided
    features = np.empty((raw.rows, *raw.shape), raw.dtype)
    for start, chunk in raw.chunks():
        features[start : start + len(chunk)] = chunk
    return features, raw.target
