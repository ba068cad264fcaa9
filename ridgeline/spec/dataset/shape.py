"""What every data set has in common.

How rows are held out.
"""

import math
from typing import Literal, NamedTuple

from ridgeline.spec.schema import Contract, Fraction

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


class Split(Contract):
    """Which share of the rows is held out. The rest is trained on."""

    validation: Fraction = 0.2
    """Measured after every epoch. An upload may have validation rows of its own: say nothing."""
    test: Fraction = 0.0
    """Measured once, with the final weights. A keras data set has test rows of its own, and an
    upload may: then it stays 0."""
    stratify: bool = False
    """Keep each class's share equal in all parts."""


class SplitRows(NamedTuple):
    """How many rows each part holds."""

    train: int
    validation: int
    test: int


def split_rows(split: Split, data: DatasetShape) -> SplitRows:
    """Divide the rows of `data`; a part's size is its fraction of them, rounded to the nearest.

    Validation and test rows that the set has of its own are added to these parts.
    """
    validation = round(split.validation * data.rows)
    test = round(split.test * data.rows)
    train = data.rows - validation - test
    return SplitRows(train, validation + data.validation_rows, test + data.test_rows)
