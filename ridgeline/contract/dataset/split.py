"""How rows are held out."""

from typing import NamedTuple

from ridgeline.contract.dataset.shape import DatasetShape
from ridgeline.contract.schema import Contract, Fraction


class Split(Contract):
    """Which share of the rows is held out. The rest is trained on."""

    validation: Fraction = 0.2
    """Measured after every epoch."""
    test: Fraction = 0.0
    """Measured once, with the final weights. A keras data set has test rows of its own."""
    stratify: bool = False
    """Keep each class's share equal in all parts."""


class SplitRows(NamedTuple):
    """How many rows each part holds."""

    train: int
    validation: int
    test: int


def split_rows(split: Split, data: DatasetShape) -> SplitRows:
    """Divide the rows of `data`; a part's size is its fraction of them, rounded to the nearest.

    Test rows that the set has of its own are added to the test part.
    """
    validation = round(split.validation * data.rows)
    test = round(split.test * data.rows)
    train = data.rows - validation - test
    return SplitRows(train=train, validation=validation, test=test + data.test_rows)
