"""Rows of one part of the split, in memory or on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class MappedRows:
    """Some rows of an array on disk, with an array's interface; reads only the rows asked for."""

    file: npt.NDArray[Any]
    """All rows, from np.load(mmap_mode="r")."""
    indices: Indices
    """Which rows, in which order."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, *shape of a row)."""
        return (len(self.indices), *self.file.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers on disk."""
        return self.file.dtype

    def __getitem__(self, rows: slice | Indices) -> npt.NDArray[Any]:
        """Read rows in the order of the disk, and return them in the order asked for."""
        wanted = self.indices[rows]
        disk_order = np.argsort(wanted, kind="stable")
        values = np.empty((len(wanted), *self.file.shape[1:]), self.file.dtype)
        values[disk_order] = self.file[wanted[disk_order]]
        return values

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """All rows, in memory."""
        del copy  # reading always copies
        return np.asarray(self[:], dtype)


Features = npt.NDArray[Any] | MappedRows


@dataclass(frozen=True)
class Part:
    """Features (rows, …) and encoded targets of one part of the split."""

    x: Features
    """Scaled float32, or as in the source if `Data.scaled` is false."""
    y: npt.NDArray[Any]
    """In memory even if the features are not."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.x)

    def take(self, rows: Indices) -> "Part":
        """Some of its rows, in memory."""
        return Part(np.asarray(self.x[rows]), self.y[rows])

    @property
    def streamed(self) -> bool:
        """Whether the features are on disk."""
        return isinstance(self.x, MappedRows)


def in_pieces(
    features: Features, rows: int, order: Indices | None = None
) -> Iterator[npt.NDArray[Any]]:
    """All rows once, `rows` at a time, in the order that is fastest to read from disk.

    `order` gives rows in memory that order too, so that sums over the pieces are the same.
    """
    if isinstance(features, MappedRows):
        features, order = MappedRows(features.file, np.sort(features.indices)), None
    for start in range(0, len(features), rows):
        piece = slice(start, start + rows)
        yield features[piece if order is None else order[piece]]
