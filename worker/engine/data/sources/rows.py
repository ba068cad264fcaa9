"""Rows as a source gives them: targets at once, features a chunk at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ridgeline.api.features import RowEncoding
from worker.engine.data.part import Indices

Chunk = tuple[int, npt.NDArray[Any]]
"""The number of its first row, and the rows' features (some rows, …)."""
CHUNK_BYTES = 16 * 2**20
"""About how much of the features is read or converted at once."""


@dataclass(frozen=True)
class RawRows:
    """Unscaled features and targets of the rows to be divided, or of those a set keeps apart."""

    target: npt.NDArray[Any]
    """Class numbers or real values, shape (rows,)."""
    shape: tuple[int, ...]
    """Shape of one row's features."""
    dtype: np.dtype[Any]
    chunks: Callable[[], Iterator[Chunk]]
    """Reads the features of all rows once, in any order."""
    fit: "Callable[[Indices], RawRows] | None" = None
    """Gives these rows as what it learns of the training rows encodes them; None where nothing is
    to be learned."""
    unscaled: npt.NDArray[np.bool_] | None = None
    """Which numbers along the last axis scaling passes over; None where it does over none."""
    encoding: RowEncoding | None = None
    """How a row was encoded, where the file is a user's."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.target)

    @property
    def row_bytes(self) -> int:
        """What one row's features take."""
        return self.dtype.itemsize * int(np.prod(self.shape))

    def first(self, count: int) -> "RawRows":
        """The first `count` rows."""
        return replace(self, target=self.target[:count], chunks=lambda: _cut(self.chunks(), count))


class SetRows(NamedTuple):
    """All rows of a data set."""

    divided: RawRows
    """Those that the split divides."""
    validation: RawRows
    """Those that the set keeps apart for validation, which may be none, as may be `test`."""
    test: RawRows


def set_rows(
    divided: RawRows, *, validation: RawRows | None = None, test: RawRows | None = None
) -> SetRows:
    """The rows of a set that keeps some of them apart, or none."""
    none = held_rows(np.empty((0, *divided.shape), divided.dtype), divided.target[:0])
    return SetRows(divided, validation or none, test or none)


def held_rows(features: npt.NDArray[Any], target: npt.NDArray[Any]) -> RawRows:
    """Rows that lie in memory already."""
    return RawRows(target, features.shape[1:], features.dtype, lambda: iter([(0, features)]))


def chunk_rows(row_bytes: int) -> int:
    """How many rows of that size make a chunk."""
    return max(1, CHUNK_BYTES // max(row_bytes, 1))


def _cut(chunks: Iterator[Chunk], count: int) -> Iterator[Chunk]:
    missing = count
    while missing > 0:
        start, chunk = next(chunks)
        if start < count:
            kept = chunk[: count - start]
            missing -= len(kept)
            yield start, kept
