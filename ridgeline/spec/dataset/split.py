"""How rows are held out."""

from typing import NamedTuple

from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.schema import Contract, Fraction


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
