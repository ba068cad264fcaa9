"""Rows of one part of the split, in memory or on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class MappedRows:
    """Some rows of an array on disk; it looks like an array of them, and reads what is asked."""

    file: npt.NDArray[Any]
    """All rows, as np.load(mmap_mode="r") gives them."""
    indices: Indices
    """Which of them, and in which order."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the shape of one."""
        return (len(self.indices), *self.file.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers on disk."""
        return self.file.dtype

    def __getitem__(self, rows: slice | Indices) -> npt.NDArray[Any]:
        """Read rows, in the order they lie on disk, and give them in the order asked for."""
        wanted = self.indices[rows]
        by_place = np.argsort(wanted, kind="stable")
        found = np.empty((len(wanted), *self.file.shape[1:]), self.file.dtype)
        found[by_place] = self.file[wanted[by_place]]
        return found

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """All rows, in memory."""
        del copy  # reading is copying
        return np.asarray(self[:], dtype)


Features = npt.NDArray[Any] | MappedRows


@dataclass(frozen=True)
class Part:
    """Features (rows, …) and encoded targets of one part of the split."""

    x: Features
    """Scaled float32, or as the source has them where `Data.scaled` is false."""
    y: npt.NDArray[Any]
    """In memory even where the features are not."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.x)

    def take(self, rows: Indices) -> "Part":
        """Some of its rows, in memory."""
        return Part(np.asarray(self.x[rows]), self.y[rows])

    @property
    def streamed(self) -> bool:
        """Whether the features lie on disk."""
        return isinstance(self.x, MappedRows)


def in_pieces(features: Features, rows: int) -> Iterator[npt.NDArray[Any]]:
    """All rows once, so many at a time, in the order in which they are quickest to read."""
    if isinstance(features, MappedRows):
        features = MappedRows(features.file, np.sort(features.indices))
    for start in range(0, len(features), rows):
        yield features[start : start + rows]
