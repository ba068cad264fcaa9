"""Rows of a source: all targets at once, features one chunk at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ridgeline.api.features import RowEncoding
from worker.engine.data.part import Indices

Chunk = tuple[int, npt.NDArray[Any]]
"""The number of its first row, and features (rows, …)."""
CHUNK_BYTES = 16 * 2**20
"""How much of the features is read or converted at once, about."""


@dataclass(frozen=True)
class RawRows:
    """Unscaled features and targets of the divided rows, or of rows that a set holds out."""

    target: npt.NDArray[Any]
    """Class numbers or real values, shape (rows,)."""
    shape: tuple[int, ...]
    """Shape of one row's features."""
    dtype: np.dtype[Any]
    chunks: Callable[[], Iterator[Chunk]]
    """Reads the features of all rows once, in any order."""
    fit: "Callable[[Indices], RawRows] | None" = None
    """Returns these rows with encodings fitted on the training rows; None if nothing is fitted."""
    unscaled: npt.NDArray[np.bool_] | None = None
    """Which numbers along the last axis are not scaled; None if all are."""
    encoding: RowEncoding | None = None
    """How a row of a stored data set was encoded."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.target)

    @property
    def row_bytes(self) -> int:
        """Size of one row's features."""
        return self.dtype.itemsize * int(np.prod(self.shape))

    def first(self, count: int) -> "RawRows":
        """The first `count` rows."""
        return replace(self, target=self.target[:count], chunks=lambda: _cut(self.chunks(), count))


class SetRows(NamedTuple):
    """All rows of a data set."""

    divided: RawRows
    """The rows that the split divides."""
    validation: RawRows
    """Rows that the set holds out for validation; may be empty, as may `test`."""
    test: RawRows


def set_rows(
    divided: RawRows, *, validation: RawRows | None = None, test: RawRows | None = None
) -> SetRows:
    """The rows of a set, with those that it holds out itself."""
    none = held_rows(np.empty((0, *divided.shape), divided.dtype), divided.target[:0])
    return SetRows(divided, validation or none, test or none)


def held_rows(features: npt.NDArray[Any], target: npt.NDArray[Any]) -> RawRows:
    """Rows that are in memory."""
    return RawRows(target, features.shape[1:], features.dtype, lambda: iter([(0, features)]))


def chunk_rows(row_bytes: int) -> int:
    """The number of rows of this size in a chunk."""
    return max(1, CHUNK_BYTES // max(row_bytes, 1))


def _cut(chunks: Iterator[Chunk], count: int) -> Iterator[Chunk]:
    remaining = count
    while remaining > 0:
        start, chunk = next(chunks)
        if start < count:
            kept = chunk[: count - start]
            remaining -= len(kept)
            yield start, kept
