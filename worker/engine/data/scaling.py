"""Feature scaling, fitted on the training rows only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ridgeline.contract.dataset import FeatureScaling as Method

Rows = npt.NDArray[np.float32]
EPSILON = 1e-7
"""Keras's: Normalization takes no smaller deviation."""


@dataclass(frozen=True)
class FeatureScaling:
    """z = (x − mean) / √variance, column by column, as keras.layers.Normalization computes it."""

    mean: Rows
    variance: Rows

    def apply(self, rows: Rows) -> Rows:
        """Scale `rows` (rows, …)."""
        return np.asarray((rows - self.mean) / np.sqrt(self.variance), dtype=np.float32)

    @property
    def identity(self) -> bool:
        """Whether it changes nothing."""
        return bool(np.all(self.mean == 0) and np.all(self.variance == 1))


def fit_scaling(training_rows: Rows, method: Method) -> FeatureScaling:
    """Fit `method` on the training rows.

    `minmax` is written as a normalization too: its mean is the minimum and its √variance the range.
    A column that never varies keeps its size: it is divided by 1.
    """
    shape = training_rows.shape[1:]
    if method == "none":
        return FeatureScaling(np.zeros(shape, np.float32), np.ones(shape, np.float32))
    if method == "minmax":
        mean = training_rows.min(axis=0)
        deviation = training_rows.max(axis=0) - mean
    else:
        mean = training_rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = training_rows.std(axis=0, dtype=np.float64).astype(np.float32)
    variance = np.where(deviation > EPSILON, np.square(deviation), 1.0).astype(np.float32)
    return FeatureScaling(mean, variance)
