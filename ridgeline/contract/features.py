"""`features.json`: how a row of an uploaded data set becomes what the saved model takes."""

from typing import Literal

from ridgeline.contract.dataset.encodings import EncodingName
from ridgeline.contract.dataset.stored import ColumnType, DatasetFormat, DatasetId, Sha256
from ridgeline.contract.schema import Contract


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
