"""`features.json`: how a row of an uploaded data set becomes what the saved model takes.

Which words a text has: as keras.layers.TextVectorization finds them by default.

But for one thing: a text is put in lower case by Unicode's rules, where Keras's layer leaves
letters beyond ASCII as they are.
"""

import math
import string
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from ridgeline.spec.dataset.contents import ColumnType, DatasetFormat, DatasetId, Sha256
from ridgeline.spec.dataset.encodings import EncodingName
from ridgeline.spec.schema import Contract

Cell = str | float | bool | None
"""A value, or what a CSV file says for it; None, NaN or an empty text where it is missing."""


_PUNCTUATION = string.punctuation.encode()


class ColumnFeatures(Contract):
    """What a cell of one column becomes."""

    name: str
    type: ColumnType
    encoding: EncodingName
    first: int
    """Place in the encoded row of the first of its numbers, from 0."""
    width: int
    """How many numbers it becomes."""
    missing: float | None = None
    """Of `number`: what stands for a missing value; null where none was missing."""
    categories: tuple[str, ...] | None = None
    """Of `one_hot`: the number at first + k is 1 for category k, all are 0 for any other value. Of
    `ordinal`: k + 1 for category k, 0 for any other value. Where `type` is a number's, they compare
    as numbers; booleans are `true` and `false`."""
    words: tuple[str, ...] | None = None
    """Of `multi_hot` and `sequence`: the vocabulary. A text is put in lower case, loses the 32
    ASCII punctuation marks, and is split at white space (space, \\t, \\n, \\v, \\f, \\r)."""
    unknown: int | None = None
    """The number of every word that is not among `words`."""
    first_word: int | None = None
    """The number of words[0]; the next one's is one more. `multi_hot` has 1 at first + number for
    each word of the text; `sequence` is the last `width` numbers behind zeros."""

    def encode(self, cell: Cell) -> list[float]:
        """The numbers that a cell becomes; raises ValueError where it cannot be encoded."""
        if self.encoding == "number":
            return [self._number(cell)]
        numbers = [0.0] * self.width
        if _is_missing(cell):
            return numbers
        if self.words is not None:
            return self._of_words(str(cell), numbers)
        for place, category in enumerate(self.categories or ()):
            if self._is(cell, category):
                ordinal = self.encoding == "ordinal"
                numbers[0 if ordinal else place] = place + 1.0 if ordinal else 1.0
        return numbers

    def _number(self, cell: Cell) -> float:
        if cell is None or _is_missing(cell):
            if self.missing is None:
                raise ValueError(f"expected a value for {self.name!r}; nothing stands for it")
            return self.missing
        if self.type is ColumnType.BOOLEAN:
            return float(str(cell).lower() == "true")
        return float(cell)

    def _is(self, cell: Cell, category: str) -> bool:
        if self.type in (ColumnType.INTEGER, ColumnType.NUMBER):
            return float(cell or 0) == float(category)
        return (str(cell).lower() if self.type is ColumnType.BOOLEAN else cell) == category

    @cached_property
    def _known(self) -> dict[bytes, int]:
        first = self.first_word or 0
        return {word.encode(): first + k for k, word in enumerate(self.words or ())}

    def _of_words(self, text: str, numbers: list[float]) -> list[float]:
        said = [self._known.get(word, self.unknown or 0) for word in words_of(text)]
        if self.encoding == "sequence":
            return ([0.0] * self.width + [float(each) for each in said])[-self.width :]
        for number in said:
            numbers[number] = 1.0
        return numbers


class ImageFeatures(Contract):
    """What an image becomes: (height, width, channels) of bytes from 0 to 255.

    Turned as its EXIF data say, grey (1 channel) or RGB (3), resized by bilinear interpolation with
    antialiasing (Pillow's BILINEAR) without regard to proportions.
    """

    height: int
    width: int
    channels: int


class TargetFeatures(Contract):
    """What the model predicts."""

    name: str | None = None
    """The column or array; null for the folders of images."""
    task: Literal["classification", "regression"]
    classes: tuple[str, ...] | None = None
    """Class k is the k-th; of one output for two classes it is the probability of the second."""


class RowEncoding(Contract):
    """How to encode a row, and what the prediction means.

    The numbers of encoded rows are not scaled: the saved model does that.
    """

    dataset: DatasetId
    sha256: Sha256
    """Of the file that was trained on."""
    format: DatasetFormat
    shape: tuple[int, ...]
    """Of an encoded row."""
    dtype: Literal["float32", "int32", "uint8"]
    """Of the numbers in it; the model takes them as float32 too."""
    columns: tuple[ColumnFeatures, ...] | None = None
    """Of a table: its features in order."""
    array: str | None = None
    """Of arrays: the name of the one that holds encoded rows."""
    image: ImageFeatures | None = None
    """Of images."""
    target: TargetFeatures

    def encode(self, row: Mapping[str, Cell]) -> list[float]:
        """A row of a table by its columns' names, as the saved model takes it.

        Raises ValueError where a column is lacking or cannot be encoded, or there are no columns.
        """
        if self.columns is None:
            raise ValueError("expected the features of a table; arrays and images need no encoding")
        lacking = [column.name for column in self.columns if column.name not in row]
        if lacking:
            raise ValueError(f"expected a value or None for each column; {lacking} are not there")
        return [number for column in self.columns for number in column.encode(row[column.name])]


def _is_missing(cell: Cell) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def words_of(text: str) -> list[bytes]:
    """The words of a text in UTF-8: in lower case, without punctuation, split at white space.

    All of that is quickest on bytes; none of a letter beyond ASCII is a punctuation mark or space.
    """
    return text.lower().encode().translate(None, _PUNCTUATION).split()
