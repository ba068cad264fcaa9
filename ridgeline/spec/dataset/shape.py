"""What every data set has in common."""

import math
from typing import Literal, NamedTuple

FeatureScaling = Literal["standard", "minmax", "none"]
ImageScaling = Literal["unit", "standard", "none"]
Loading = Literal["auto", "memory", "stream"]
"""Where the rows lie while they are trained on: `memory`, or on the worker's disk, mapped into
memory a block at a time (`stream`). `auto` streams rows that would take more than half of the
memory the worker has left."""


class DatasetShape(NamedTuple):
    """What a spec must know of its data before a row of it is read."""

    rows: int
    """Rows to be divided by the split."""
    features: tuple[int, ...]
    """Shape of one row."""
    classes: int | None
    """Number of classes of the target; None where the target is a real value."""
    test_rows: int = 0
    """Rows the set itself keeps apart for testing."""
    bytes_per_number: int = 4
    """What a feature takes in memory: 1 for pixels and words said or not, else 4."""
    tokens: int | None = None
    """The features are whole numbers from 0 to below it; None where they are not."""
    validation_rows: int = 0
    """Rows the set itself keeps apart for validation."""

    @property
    def all_rows(self) -> int:
        """The rows to be divided, and those the set keeps apart itself."""
        return self.rows + self.validation_rows + self.test_rows

    @property
    def row_bytes(self) -> int:
        """What the features of one row take in memory, or on disk where they stream."""
        return self.bytes_per_number * math.prod(self.features)
