"""The tables in scikit-learn's wheel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import datasets

from ridgeline.contract.dataset import BuiltinDataset
from ridgeline.contract.job import EndCode
from worker.engine.context import TrainingFailed
from worker.engine.data.sources.rows import RawRows, held_rows

_LOADERS: dict[str, Callable[[], Any]] = {
    "digits": datasets.load_digits,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
}


def builtin_rows(dataset: BuiltinDataset) -> tuple[RawRows, RawRows]:
    """All rows of a table, and no test rows of its own."""
    features, target = load(dataset)
    return held_rows(features, target), held_rows(features[:0], target[:0])


def load(dataset: BuiltinDataset) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Features (rows, …) as float32, and the raw target (rows,): class numbers or real values.

    Raises TrainingFailed where the rows are not what the catalogue promised.
    """
    bunch = _LOADERS[dataset.name]()
    features = np.asarray(bunch.data, dtype=np.float32)
    expected = (dataset.shape.rows, *dataset.shape.features)
    if features.shape != expected:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"the worker's {dataset.name} has shape {features.shape}, expected {expected};"
            " install the scikit-learn version of the lock file",
        )
    return features, np.asarray(bunch.target)
