"""The contents of a stored data set, as the service found them."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.schema import Contract

DATASET_ID_PATTERN = r"^ds_[0-9a-f]{32}$"
DatasetId = Annotated[str, Field(pattern=DATASET_ID_PATTERN)]
"""`ds_` and the first half of the file's SHA-256: equal bytes are the same data set."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Part = Literal["train", "validation", "test"]
"""A part of a split."""
# Left out of other files, so that rows stored by earlier releases stay the same.
_IN_DIVIDED_FILES = Field(exclude_if=lambda value: value is None)


class DatasetFormat(StrEnum):
    """The file format of a stored data set."""

    CSV = "csv"  #: RFC 4180 with a header line, in UTF-8
    PARQUET = "parquet"
    NPZ = "npz"  #: arrays by name, all with the same number of rows
    NPY = "npy"  #: x, then y, concatenated in one file, as by two numpy.save calls
    IMAGES = "images"  #: a ZIP file with one folder of images per class


class ColumnType(StrEnum):
    """The type of a column's cells."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


class ValueCount(Contract):
    """A value and the number of rows that have it."""

    value: str
    rows: Annotated[int, Field(ge=0)]


class Column(Contract):
    """A column of a table."""

    name: str
    type: ColumnType
    missing: Annotated[int, Field(ge=0)]
    """Rows without a value; NaN counts as missing."""
    distinct: int | None
    """Number of different values; null if there are too many to count."""
    values: tuple[ValueCount, ...] | None = None
    """Every value with its number of rows, sorted by value (numerically for numbers): the class
    balance if the column is the target. Null if there are too many values."""
    minimum: float | None = None
    """Smallest value of an integer or number column."""
    maximum: float | None = None
    """Largest value of an integer or number column."""


class ArrayMember(Contract):
    """An array of an NPZ file, or `x` or `y` of an NPY file."""

    name: str
    shape: tuple[int, ...]
    """Number of rows, then the shape of one row."""
    dtype: str
    """NumPy's name of the type, such as `float32`."""
    part: Annotated[Part | None, _IN_DIVIDED_FILES] = None
    """The part of the split it holds, in a file that is already split; else left out."""
    stem: Annotated[str | None, _IN_DIVIDED_FILES] = None
    """Its name in a spec, in a file that is already split: `x` for `x_train` and `x_test`."""
    values: tuple[ValueCount, ...] | None = None
    """Every value with its number of rows, ascending, for whole numbers or booleans, one per row,
    with few different values; else null."""
    minimum: float | None = None
    """Smallest value of an array of numbers."""
    maximum: float | None = None
    """Largest value of an array of numbers."""


class ImageFolder(Contract):
    """The images of a ZIP file."""

    height: tuple[int, int]
    """Smallest and largest height, in pixels."""
    width: tuple[int, int]
    """Smallest and largest width, in pixels."""
    channels: tuple[int, ...]
    """The numbers of channels that occur, ascending: 1 gray, 3 color, 4 with transparency."""
    classes: tuple[ValueCount, ...]
    """The folders, sorted by name, with their numbers of images; class 0 is the first."""


class OwnSplit(Contract):
    """Number of rows in each part of a file that is already split."""

    train: Annotated[int, Field(ge=1)]
    """A spec's split takes parts that the file lacks from these rows."""
    validation: Annotated[int, Field(ge=0)]
    """0 if the file has none."""
    test: Annotated[int, Field(ge=0)]
    """0 if the file has none."""


class DatasetContents(Contract):
    """What is in the file: exactly one of columns, arrays and images."""

    format: DatasetFormat
    rows: Annotated[int, Field(ge=1)]
    """Number of rows in all parts."""
    split: Annotated[OwnSplit | None, _IN_DIVIDED_FILES] = None
    """The file's own split, for an npz with arrays such as `x_train`, `y_train`, `x_test` and
    `y_test`; left out if the spec's split divides all rows."""
    columns: tuple[Column, ...] | None = None
    """Columns of a csv or parquet file."""
    arrays: tuple[ArrayMember, ...] | None = None
    """Arrays of an npz or npy file."""
    images: ImageFolder | None = None
    """Images of a ZIP file."""
