"""Data sets that need no upload: scikit-learn's built-in tables, and those of keras.datasets."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from ridgeline.spec.dataset.shape import DatasetShape, FeatureScaling, ImageScaling, Loading
from ridgeline.spec.schema import Contract, PositiveInt

#: The tables in scikit-learn's wheel (sklearn.datasets.load_*).
BUILTIN: dict[str, DatasetShape] = {
    "digits": DatasetShape(rows=1797, features=(64,), classes=10),
    "breast_cancer": DatasetShape(rows=569, features=(30,), classes=2),
    "wine": DatasetShape(rows=178, features=(13,), classes=3),
    "iris": DatasetShape(rows=150, features=(4,), classes=3),
    "diabetes": DatasetShape(rows=442, features=(10,), classes=None),
}
#: Rows of each class, in the order of the classes.
BUILTIN_CLASSES: dict[str, tuple[int, ...]] = {
    "digits": (178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
    "breast_cancer": (212, 357),
    "wine": (59, 71, 48),
    "iris": (50, 50, 50),
}
DIGITS_LEVELS = 17
"""Pixels of digits are 0 to 16."""
Rows = PositiveInt | None
TestRows = Annotated[int, Field(ge=0, le=2**31 - 1)] | None
#: Each set's shape with the default options (keras.datasets.*.load_data).
KERAS: dict[str, DatasetShape] = {
    "mnist": DatasetShape(60_000, (28, 28, 1), 10, test_rows=10_000, bytes_per_number=1),
    "fashion_mnist": DatasetShape(60_000, (28, 28, 1), 10, test_rows=10_000, bytes_per_number=1),
    "cifar10": DatasetShape(50_000, (32, 32, 3), 10, test_rows=10_000, bytes_per_number=1),
    "cifar100": DatasetShape(50_000, (32, 32, 3), 100, test_rows=10_000, bytes_per_number=1),
    "imdb": DatasetShape(25_000, (10_000,), 2, test_rows=25_000, bytes_per_number=1, tokens=2),
    "reuters": DatasetShape(8_982, (10_000,), 46, test_rows=2_246, bytes_per_number=1, tokens=2),
    "california_housing": DatasetShape(16_512, (8,), None, test_rows=4_128),
}
COARSE_CLASSES = 20
SMALL_HOUSING = DatasetShape(480, (8,), None, test_rows=120)
PIXEL_LEVELS = 256
MAX_WORDS = 100_000
"""More than the number of words in either set (88,587 and 30,982)."""


class BuiltinDataset(Contract):
    """A data set built into the worker."""

    source: Literal["builtin"] = "builtin"
    name: Literal["digits", "breast_cancer", "wine", "iris", "diabetes"]
    scaling: FeatureScaling = "standard"
    """How to scale features, fitted on the training rows only: `standard` to mean 0 and variance 1,
    `minmax` to [0, 1], `none` not at all. The saved model includes the scaling and takes raw
    rows."""
    loading: Loading = "auto"
    """`memory`, `stream` from disk, or `auto`: stream rows that need over half of the free
    memory."""

    @property
    def shape(self) -> DatasetShape:
        """Rows, features and classes."""
        pixels = self.name == "digits" and self.scaling == "none"
        return BUILTIN[self.name]._replace(tokens=DIGITS_LEVELS if pixels else None)


class _KerasDataset(Contract):
    """Options of every keras data set.

    The worker reads Keras's cached file (`~/.keras/datasets` or `$KERAS_HOME/datasets`) and
    downloads it if it is missing. The set's own test rows are the test part; the split divides the
    other rows.
    """

    source: Literal["keras"]
    rows: Rows = None
    """Use only the first N training rows."""
    test_rows: TestRows = None
    """Use only the first N of the set's own test rows; 0 for none."""
    loading: Loading = "auto"
    """`memory`, `stream` from disk, or `auto`: stream rows that need over half of the free
    memory."""

    @property
    def whole(self) -> DatasetShape:
        """The shape with these options and all rows."""
        raise NotImplementedError

    @property
    def shape(self) -> DatasetShape:
        """Rows, features and classes."""
        whole = self.whole
        rows = whole.rows if self.rows is None else self.rows
        test_rows = whole.test_rows if self.test_rows is None else self.test_rows
        return whole._replace(rows=rows, test_rows=test_rows)


class KerasImages(_KerasDataset):
    """Images of 10 classes: (28, 28, 1) in mnist and fashion_mnist, (32, 32, 3) in cifar10.

    Keras loads a row of mnist as (28, 28); here it has the channel axis that a convolution expects.
    """

    name: Literal["mnist", "fashion_mnist", "cifar10"]
    scaling: ImageScaling = "unit"
    """`unit`: x/255; `standard`: to mean 0 and variance 1 per channel, fitted on the training
    rows; `none`: 0 to 255. The saved model includes the scaling and takes raw rows."""

    @property
    def whole(self) -> DatasetShape:
        """The shape with all rows."""
        return KERAS[self.name]._replace(tokens=_levels(self.scaling))


class KerasCifar100(_KerasDataset):
    """Images (32, 32, 3) of 100 classes, or of their 20 superclasses."""

    name: Literal["cifar100"]
    label_mode: Literal["fine", "coarse"] = "fine"
    """`fine`: 100 classes; `coarse`: 20."""
    scaling: ImageScaling = "unit"
    """`unit`: x/255; `standard`: to mean 0 and variance 1 per channel, fitted on the training
    rows; `none`: 0 to 255. The saved model includes the scaling and takes raw rows."""

    @property
    def whole(self) -> DatasetShape:
        """The shape with all rows."""
        fine = KERAS[self.name]._replace(tokens=_levels(self.scaling))
        return fine if self.label_mode == "fine" else fine._replace(classes=COARSE_CLASSES)


class KerasReviews(_KerasDataset):
    """Texts as word numbers by frequency: film reviews (imdb), newswires (reuters).

    As load_data returns them: 1 starts a text, 2 is any word beyond `num_words`, 4 is the most
    frequent word (start_char=1, oov_char=2, index_from=3, seed=113).
    """

    name: Literal["imdb", "reuters"]
    scaling: ClassVar[Literal["none"]] = "none"
    num_words: Annotated[int, Field(ge=4, le=MAX_WORDS)] = 10_000
    """Size of the vocabulary; word numbers are below it."""
    encoding: Literal["multi_hot", "sequence"] = "multi_hot"
    """`multi_hot`: `num_words` columns, 1 if the word occurs in the text, else 0; `sequence`:
    `maxlen` word numbers in the order of the text, for an Embedding."""
    maxlen: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Length of a sequence. A longer text is cut at its beginning, a shorter one padded with zeros
    in front (as in keras.utils.pad_sequences). Not used by `multi_hot`."""

    @property
    def whole(self) -> DatasetShape:
        """The shape with all rows."""
        texts = KERAS[self.name]
        if self.encoding == "sequence":
            return texts._replace(
                features=(self.maxlen,), bytes_per_number=4, tokens=self.num_words
            )
        return texts._replace(features=(self.num_words,))


class KerasHousing(_KerasDataset):
    """House prices in Californian districts, in dollars, from 8 numeric features."""

    name: Literal["california_housing"]
    version: Literal["large", "small"] = "large"
    """`large`: 20,640 districts; `small`: the first 600. One fifth are test rows."""
    scaling: FeatureScaling = "standard"
    """How to scale features, fitted on the training rows only: `standard` to mean 0 and variance 1,
    `minmax` to [0, 1], `none` not at all. The saved model includes the scaling and takes raw
    rows."""

    @property
    def whole(self) -> DatasetShape:
        """The shape with all rows."""
        return KERAS[self.name] if self.version == "large" else SMALL_HOUSING


def _levels(scaling: ImageScaling) -> int | None:
    return PIXEL_LEVELS if scaling == "none" else None


# A named alias, so that the union is a component of the JSON schema.
KerasDataset = TypeAliasType(
    "KerasDataset",
    Annotated[
        KerasImages | KerasCifar100 | KerasReviews | KerasHousing, Field(discriminator="name")
    ],
)
