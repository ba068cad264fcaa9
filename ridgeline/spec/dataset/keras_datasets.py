"""The data sets of keras.datasets, one class for each kind."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from ridgeline.spec.dataset.shape import DatasetShape, FeatureScaling, ImageScaling, Loading
from ridgeline.spec.schema import Contract, PositiveInt

Rows = PositiveInt | None
TestRows = Annotated[int, Field(ge=0, le=2**31 - 1)] | None

#: What each set has of its own, with the default options (keras.datasets.*.load_data).
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
"""More than there are words in either set (88,587 and 30,982)."""


class _KerasDataset(Contract):
    """What all of them take.

    Keras's own cached file is read, `~/.keras/datasets` or `$KERAS_HOME/datasets`, and downloaded
    if it is not there. The set's own test rows are the test part; the split divides the others.
    """

    source: Literal["keras"]
    rows: Rows = None
    """Train on the first N training rows only."""
    test_rows: TestRows = None
    """Test with the first N of the set's own test rows only; 0 for none."""
    loading: Loading = "auto"
    """`memory`, `stream` from disk, or `auto`: stream what takes over half of the free memory."""

    @property
    def whole(self) -> DatasetShape:
        """The set with these options, but with all its rows."""
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

    Keras gives a row of mnist as (28, 28); here it has the channel that a convolution expects.
    """

    name: Literal["mnist", "fashion_mnist", "cifar10"]
    scaling: ImageScaling = "unit"
    """`unit`: x/255; `standard`: to mean 0 and variance 1 per channel, fitted on the training
    rows; `none`: 0 to 255. The saved model holds the scaling: it takes raw rows."""

    @property
    def whole(self) -> DatasetShape:
        """The set with all its rows."""
        return KERAS[self.name]._replace(tokens=_levels(self.scaling))


class KerasCifar100(_KerasDataset):
    """Images (32, 32, 3) of 100 classes, or of the 20 superclasses these belong to."""

    name: Literal["cifar100"]
    label_mode: Literal["fine", "coarse"] = "fine"
    """`fine`: 100 classes; `coarse`: 20."""
    scaling: ImageScaling = "unit"
    """`unit`: x/255; `standard`: to mean 0 and variance 1 per channel, fitted on the training
    rows; `none`: 0 to 255. The saved model holds the scaling: it takes raw rows."""

    @property
    def whole(self) -> DatasetShape:
        """The set with all its rows."""
        fine = KERAS[self.name]._replace(tokens=_levels(self.scaling))
        return fine if self.label_mode == "fine" else fine._replace(classes=COARSE_CLASSES)


class KerasReviews(_KerasDataset):
    """Texts as numbers of words, the most frequent first: reviews (imdb), newswires (reuters).

    As load_data gives them: 1 starts a text, 2 stands for a word not among the `num_words`, and
    the most frequent word is 4 (start_char=1, oov_char=2, index_from=3, seed=113).
    """

    name: Literal["imdb", "reuters"]
    scaling: ClassVar[Literal["none"]] = "none"
    num_words: Annotated[int, Field(ge=4, le=MAX_WORDS)] = 10_000
    """How many numbers are used; word numbers are below it."""
    encoding: Literal["multi_hot", "sequence"] = "multi_hot"
    """`multi_hot`: a row has `num_words` columns, 1 where the number occurs in the text and else 0;
    `sequence`: `maxlen` numbers in the text's order, for an Embedding."""
    maxlen: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Length of a sequence: a longer text loses its beginning, before a shorter one zeros are put
    (as keras.utils.pad_sequences does). Not used by `multi_hot`."""

    @property
    def whole(self) -> DatasetShape:
        """The set with all its rows."""
        texts = KERAS[self.name]
        if self.encoding == "sequence":
            return texts._replace(
                features=(self.maxlen,), bytes_per_number=4, tokens=self.num_words
            )
        return texts._replace(features=(self.num_words,))


class KerasHousing(_KerasDataset):
    """House prices in Californian districts, in dollars, from 8 numbers."""

    name: Literal["california_housing"]
    version: Literal["large", "small"] = "large"
    """`large`: 20,640 districts; `small`: the first 600. A fifth of them are the test rows."""
    scaling: FeatureScaling = "standard"
    """How features are scaled, fitted on the training rows only: `standard` to mean 0 and variance
    1, `minmax` to [0, 1], `none` as they are. The saved model holds the scaling: it takes raw rows.
    """

    @property
    def whole(self) -> DatasetShape:
        """The set with all its rows."""
        return KERAS[self.name] if self.version == "large" else SMALL_HOUSING


def _levels(scaling: ImageScaling) -> int | None:
    return PIXEL_LEVELS if scaling == "none" else None


# An alias with a name, so that the JSON schema has one for it too.
KerasDataset = TypeAliasType(
    "KerasDataset",
    Annotated[
        KerasImages | KerasCifar100 | KerasReviews | KerasHousing, Field(discriminator="name")
    ],
)
