"""Data sets a spec may name, and how their rows are split."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ridgeline.contract.schema import Contract, Fraction

FeatureScaling = Literal["standard", "minmax", "none"]


class DatasetShape(NamedTuple):
    """What a spec must know of its data before a row of it is read."""

    rows: int
    features: tuple[int, ...]
    """Shape of one row."""
    classes: int | None
    """Number of classes of the target; None where the target is a real value."""


#: The tables that scikit-learn's wheel carries (sklearn.datasets.load_*).
BUILTIN: dict[str, DatasetShape] = {
    "digits": DatasetShape(rows=1797, features=(64,), classes=10),
    "breast_cancer": DatasetShape(rows=569, features=(30,), classes=2),
    "wine": DatasetShape(rows=178, features=(13,), classes=3),
    "iris": DatasetShape(rows=150, features=(4,), classes=3),
    "diabetes": DatasetShape(rows=442, features=(10,), classes=None),
}


class BuiltinDataset(Contract):
    """A data set that ships with the worker."""

    source: Literal["builtin"] = "builtin"
    name: Literal["digits", "breast_cancer", "wine", "iris", "diabetes"]
    scaling: FeatureScaling = "standard"
    """How features are scaled, fitted on the training rows only: `standard` to mean 0 and variance
    1, `minmax` to [0, 1], `none` as they are. The saved model holds the scaling: it takes raw rows.
    """

    @property
    def shape(self) -> DatasetShape:
        """Rows, features and classes."""
        return BUILTIN[self.name]


Dataset = Annotated[BuiltinDataset, Field(description="Where the rows come from.")]


class Split(Contract):
    """Which share of the rows is held out. The rest is trained on."""

    validation: Fraction = 0.2
    """Measured after every epoch."""
    test: Fraction = 0.0
    """Measured once, with the final weights."""
    stratify: bool = False
    """Keep each class's share equal in all parts."""


class SplitRows(NamedTuple):
    """How many rows each part holds."""

    train: int
    validation: int
    test: int


def split_rows(split: Split, rows: int) -> SplitRows:
    """Divide `rows`; a part's size is its fraction of all rows, rounded to the nearest."""
    validation = round(split.validation * rows)
    test = round(split.test * rows)
    return SplitRows(train=rows - validation - test, validation=validation, test=test)
