"""The tables that scikit-learn's wheel carries (sklearn.datasets.load_*)."""

from typing import Literal

from ridgeline.spec.dataset.shape import DatasetShape, FeatureScaling, Loading
from ridgeline.spec.schema import Contract

BUILTIN: dict[str, DatasetShape] = {
    "digits": DatasetShape(rows=1797, features=(64,), classes=10),
    "breast_cancer": DatasetShape(rows=569, features=(30,), classes=2),
    "wine": DatasetShape(rows=178, features=(13,), classes=3),
    "iris": DatasetShape(rows=150, features=(4,), classes=3),
    "diabetes": DatasetShape(rows=442, features=(10,), classes=None),
}
DIGITS_LEVELS = 17
"""A pixel of digits is 0 to 16."""


class BuiltinDataset(Contract):
    """A data set that ships with the worker."""

    source: Literal["builtin"] = "builtin"
    name: Literal["digits", "breast_cancer", "wine", "iris", "diabetes"]
    scaling: FeatureScaling = "standard"
    """How features are scaled, fitted on the training rows only: `standard` to mean 0 and variance
    1, `minmax` to [0, 1], `none` as they are. The saved model holds the scaling: it takes raw rows.
    """
    loading: Loading = "auto"
    """`memory`, `stream` from disk, or `auto`: stream what takes over half of the free memory."""

    @property
    def shape(self) -> DatasetShape:
        """Rows, features and classes."""
        pixels = self.name == "digits" and self.scaling == "none"
        return BUILTIN[self.name]._replace(tokens=DIGITS_LEVELS if pixels else None)
