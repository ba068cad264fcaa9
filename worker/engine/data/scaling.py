"""Feature scaling, fitted on the training rows only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.spec.dataset import FeatureScaling as TableMethod
from ridgeline.spec.dataset import ImageScaling
from ridgeline.spec.dataset.stored import UploadScaling
from worker.engine.data.part import Features, Indices, in_pieces

Method = TableMethod | ImageScaling | UploadScaling
Rows = npt.NDArray[np.float32]
Columns = npt.NDArray[np.bool_]
"""A mask over the last axis."""
EPSILON = 1e-7
"""The smallest deviation that Keras's Normalization accepts."""
BRIGHTEST = 255.0
"""The divisor of `unit`."""
_PIECE = 2**20
"""How many numbers are summed at once, about."""


@dataclass(frozen=True)
class FeatureScaling:
    """z = (x − mean) / √variance, as keras.layers.Normalization(axis=-1) computes it.

    Mean and variance have one number for each column of a table or channel of an image: shape (c,)
    for rows of shape (…, c).
    """

    mean: Rows
    variance: Rows

    def apply(self, rows: npt.NDArray[Any]) -> Rows:
        """Scale `rows` (rows, …)."""
        return np.asarray((rows - self.mean) / np.sqrt(self.variance), dtype=np.float32)

    @property
    def identity(self) -> bool:
        """Whether it leaves values unchanged."""
        return bool(np.all(self.mean == 0) and np.all(self.variance == 1))


def fit_scaling(
    training_rows: Features,
    method: Method,
    unscaled: Columns | None = None,
    order: Indices | None = None,
) -> FeatureScaling:
    """Fit `method` on the training rows; `unscaled` columns are left as they are.

    `order` is the order of the rows in the source, in which rows on disk are read.

    `minmax` and `unit` are expressed as normalizations: mean = minimum (0 for `unit`) and √variance
    = range (255). A constant column is divided by 1.
    """
    channels = training_rows.shape[-1]
    scaled = np.ones(channels, bool) if unscaled is None else ~unscaled
    mean, variance = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    if method == "unit":
        variance[scaled] = np.square(BRIGHTEST)
    elif method != "none" and scaled.any():
        fit = _range if method == "minmax" else _moments
        mean[scaled], deviation = fit(_columns(training_rows, scaled, order))
        variance[scaled] = np.where(deviation > EPSILON, np.square(deviation), 1.0)
    return FeatureScaling(mean, variance)


def _columns(
    rows: Features, scaled: Columns, order: Indices | None
) -> Iterator[npt.NDArray[np.float64]]:
    """The numbers to scale, a piece at a time, as (numbers, channels)."""
    step = max(1, _PIECE // max(1, int(np.prod(rows.shape[1:]))))
    for piece in in_pieces(rows, step, order):
        flat = piece.reshape(-1, len(scaled))
        yield (flat if scaled.all() else flat[:, scaled]).astype(np.float64)


def _range(pieces: Iterator[npt.NDArray[np.float64]]) -> tuple[Rows, Rows]:
    """Minimum and range of each column."""
    bounds = [(piece.min(axis=0), piece.max(axis=0)) for piece in pieces]
    low, high = (np.asarray(side, np.float32) for side in zip(*bounds, strict=True))
    return low.min(axis=0), high.max(axis=0) - low.min(axis=0)


def _moments(pieces: Iterator[npt.NDArray[np.float64]]) -> tuple[Rows, Rows]:
    """Mean and standard deviation of each column, combined from those of the pieces.

    With n = nₐ + nᵦ and δ = meanᵦ − meanₐ: mean = meanₐ + δ·nᵦ/n and M₂ = M₂ₐ + M₂ᵦ + δ²·nₐ·nᵦ/n
    (Chan, Golub & LeVeque, 1979), which keeps digits that Σx² − n·mean² loses.
    """
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for piece in pieces:
        rows, center = len(piece), piece.mean(axis=0)
        delta = center - mean
        total = count + rows
        squares = squares + np.square(piece - center).sum(axis=0)
        squares = squares + np.square(delta) * (count * rows / total)
        mean = mean + delta * (rows / total)
        count = total
    return np.asarray(mean, np.float32), np.sqrt(squares / count).astype(np.float32)
