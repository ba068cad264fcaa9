"""`features.json`: how to encode a row of a stored data set for the saved model.

Texts are split into words like keras.layers.TextVectorization does by default, except that letters
beyond ASCII are lowercased too.
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
"""A value, or its text in a CSV file; None, NaN or an empty text if it is missing."""
_PUNCTUATION = string.punctuation.encode()


class ColumnFeatures(Contract):
    """How a cell of one column is encoded."""

    name: str
    type: ColumnType
    encoding: EncodingName
    first: int
    """Index of its first number in the encoded row, from 0."""
    width: int
    """How many numbers a cell becomes."""
    missing: float | None = None
    """For `number`: the number that replaces a missing value; null if none was missing."""
    categories: tuple[str, ...] | None = None
    """For `one_hot`: category k has 1 at first + k and 0 elsewhere, any other value only 0. For
    `ordinal`: category k is k + 1, any other value 0. Categories of an integer or number column
    compare as numbers; those of a boolean column are `true` and `false`."""
    words: tuple[str, ...] | None = None
    """For `multi_hot` and `sequence`: the vocabulary. A text is lowercased, stripped of the 32
    ASCII punctuation marks, and split at white space (space, \\t, \\n, \\v, \\f, \\r)."""
    unknown: int | None = None
    """The number of every word not in `words`."""
    first_word: int | None = None
    """The number of words[0]; each following word's is one more. `multi_hot` has 1 at first +
    number for each word of the text; `sequence` is the last `width` numbers, padded with zeros in
    front."""

    def encode(self, cell: Cell) -> list[float]:
        """The numbers that encode a cell. Raises ValueError if it cannot be encoded."""
        if self.encoding == "number":
            return [self._number(cell)]
        numbers = [0.0] * self.width
        if _is_missing(cell):
            return numbers
        if self.words is not None:
            return self._encode_text(str(cell), numbers)
        for place, category in enumerate(self.categories or ()):
            if self._equals(cell, category):
                ordinal = self.encoding == "ordinal"
                numbers[0 if ordinal else place] = place + 1.0 if ordinal else 1.0
        return numbers

    def _number(self, cell: Cell) -> float:
        if cell is None or _is_missing(cell):
            if self.missing is None:
                raise ValueError(
                    f"expected a value for {self.name!r}, received none; no training row lacked it,"
                    " so nothing replaces it"
                )
            return self.missing
        if self.type is ColumnType.BOOLEAN:
            return float(str(cell).lower() == "true")
        return float(cell)

    def _equals(self, cell: Cell, category: str) -> bool:
        if self.type in (ColumnType.INTEGER, ColumnType.NUMBER):
            return float(cell or 0) == float(category)
        return (str(cell).lower() if self.type is ColumnType.BOOLEAN else cell) == category

    @cached_property
    def _vocabulary(self) -> dict[bytes, int]:
        first = self.first_word or 0
        return {word.encode(): first + k for k, word in enumerate(self.words or ())}

    def _encode_text(self, text: str, numbers: list[float]) -> list[float]:
        word_numbers = [self._vocabulary.get(word, self.unknown or 0) for word in words_of(text)]
        if self.encoding == "sequence":
            return ([0.0] * self.width + [float(number) for number in word_numbers])[-self.width :]
        for number in word_numbers:
            numbers[number] = 1.0
        return numbers


class ImageFeatures(Contract):
    """How an image is encoded: (height, width, channels), bytes from 0 to 255.

    Rotated by its EXIF data, converted to gray (1 channel) or RGB (3), and stretched to the size by
    bilinear interpolation with antialiasing (Pillow's BILINEAR).
    """

    height: int
    width: int
    channels: int


class TargetFeatures(Contract):
    """What the model predicts."""

    name: str | None = None
    """The column or array; null for images, whose classes are folders."""
    task: Literal["classification", "regression"]
    classes: tuple[str, ...] | None = None
    """The classes by number, from 0. A single output for two classes is the probability of the
    second."""


class RowEncoding(Contract):
    """How to encode a row, and how to read the prediction.

    Encoded numbers are not scaled; the saved model does that.
    """

    dataset: DatasetId
    sha256: Sha256
    """SHA-256 of the file that was trained on."""
    format: DatasetFormat
    shape: tuple[int, ...]
    """Shape of an encoded row."""
    dtype: Literal["float32", "int32", "uint8"]
    """Type of an encoded row's numbers; the model takes float32 as well."""
    columns: tuple[ColumnFeatures, ...] | None = None
    """For a table: its features in order."""
    array: str | None = None
    """For arrays: the name of the array of encoded rows."""
    image: ImageFeatures | None = None
    """For images: their size."""
    target: TargetFeatures

    def encode(self, row: Mapping[str, Cell]) -> list[float]:
        """Encode a row of a table, given by column name.

        Raises ValueError if a column is missing or cannot be encoded, or the data set is no table.
        """
        if self.columns is None:
            raise ValueError(
                f"expected the encoding of a table, received that of a data set of format"
                f" {self.format.value!r}; only tables are encoded"
            )
        missing = [column.name for column in self.columns if column.name not in row]
        if missing:
            raise ValueError(f"expected a value or None for every column; missing: {missing}")
        return [number for column in self.columns for number in column.encode(row[column.name])]


def _is_missing(cell: Cell) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def words_of(text: str) -> list[bytes]:
    """The words of a text in UTF-8: lowercased, without punctuation, split at white space.

    Works on bytes for speed: no byte of a letter beyond ASCII is a punctuation mark or a space.
    """
    return text.lower().encode().translate(None, _PUNCTUATION).split()
