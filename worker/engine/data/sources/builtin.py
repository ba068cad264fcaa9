"""The tables in scikit-learn's wheel."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from ridgeline.api.job import EndCode
from ridgeline.spec.dataset import BuiltinDataset
from worker.engine.context import TrainingFailed
from worker.engine.data.sources.rows import SetRows, held_rows, set_rows

_LOADERS: dict[str, Callable[[], Any]] = {
    "digits": datasets.load_digits,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
}


def builtin_rows(dataset: BuiltinDataset) -> SetRows:
    """All rows of a table as float32; none are held out.

    Raises TrainingFailed if the rows differ from the catalog.
    """
    bunch = _LOADERS[dataset.name]()
    features, target = np.asarray(bunch.data, dtype=np.float32), np.asarray(bunch.target)
    expected = (dataset.shape.rows, *dataset.shape.features)
    if features.shape != expected:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"the worker's {dataset.name} has shape {features.shape}, expected {expected};"
            " install the scikit-learn version of the lock file",
        )
    return set_rows(held_rows(features, target))
