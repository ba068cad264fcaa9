"""The shape of a data set, and how its rows are split."""

import math
from typing import Literal, NamedTuple

from ridgeline.spec.schema import Contract, Fraction

FeatureScaling = Literal["standard", "minmax", "none"]
ImageScaling = Literal["unit", "standard", "none"]
Loading = Literal["auto", "memory", "stream"]
"""Where the rows are during training: in `memory`, or on the worker's disk, memory-mapped block by
block (`stream`). `auto` streams rows that would take more than half of the worker's free memory."""


class DatasetShape(NamedTuple):
    """What planning needs to know about the data, without reading a row."""

    rows: int
    """Rows to be divided by the split."""
    features: tuple[int, ...]
    """Shape of one row."""
    classes: int | None
    """Number of classes of the target; None if the target is a real value."""
    test_rows: int = 0
    """The data set's own test rows."""
    bytes_per_number: int = 4
    """Bytes of a feature in memory: 1 for pixels, multi-hot words and categories, else 4."""
    tokens: int | None = None
    """The features are whole numbers from 0 to below it; None if they are not."""
    validation_rows: int = 0
    """The data set's own validation rows."""

    @property
    def all_rows(self) -> int:
        """The rows to be divided, and the data set's own validation and test rows."""
        return self.rows + self.validation_rows + self.test_rows

    @property
    def row_bytes(self) -> int:
        """Bytes of one row's features, in memory or streamed from disk."""
        return self.bytes_per_number * math.prod(self.features)


class Split(Contract):
    """Which fractions of the rows are held out. The rest is trained on."""

    validation: Fraction = 0.2
    """Evaluated after every epoch. Leave it out if a stored data set has its own validation
    rows."""
    test: Fraction = 0.0
    """Evaluated once, with the final weights. Leave it at 0 for keras data sets, which have their
    own test rows, and for a stored data set with its own."""
    stratify: bool = False
    """Keep class proportions in every part."""


class SplitRows(NamedTuple):
    """Number of rows in each part."""

    train: int
    validation: int
    test: int


def split_rows(split: Split, data: DatasetShape) -> SplitRows:
    """Divide the rows of `data`: each part has its fraction of them, rounded to the nearest row.

    The data set's own validation and test rows are added to these parts.
    """
    validation = round(split.validation * data.rows)
    test = round(split.test * data.rows)
    train = data.rows - validation - test
    return SplitRows(train, validation + data.validation_rows, test + data.test_rows)
