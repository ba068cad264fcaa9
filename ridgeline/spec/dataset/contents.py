"""What the service knows of an uploaded data set."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.spec.schema import Contract

DATASET_ID_PATTERN = r"^ds_[0-9a-f]{32}$"
DatasetId = Annotated[str, Field(pattern=DATASET_ID_PATTERN)]
"""`ds_` and the first half of the bytes' SHA-256: the same bytes are the same data set."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Part = Literal["train", "validation", "test"]
"""Of a split."""
# Left out elsewhere, as in what earlier releases have stored.
_IN_DIVIDED_FILES = Field(exclude_if=lambda value: value is None)


class DatasetFormat(StrEnum):
    """How the rows of an upload are written down."""

    CSV = "csv"  #: RFC 4180 with a header line, in UTF-8
    PARQUET = "parquet"
    NPZ = "npz"  #: arrays by name, all with the same number of rows
    NPY = "npy"  #: two arrays one behind the other, x and then y, as two numpy.save calls write
    IMAGES = "images"  #: a ZIP file with one folder of images a class


class ColumnType(StrEnum):
    """What the cells of a column are."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


class ValueCount(Contract):
    """How many rows have a value."""

    value: str
    rows: Annotated[int, Field(ge=0)]


class Column(Contract):
    """A column of a table."""

    name: str
    type: ColumnType
    missing: Annotated[int, Field(ge=0)]
    """Rows without a value; NaN is none."""
    distinct: int | None
    """How many different values there are; null where there are too many to be counted."""
    values: tuple[ValueCount, ...] | None = None
    """Every value with its rows, sorted by the value (numbers as numbers), where there are few: the
    class balance, should the column be the target; null where there are many."""
    minimum: float | None = None
    """Of integers and numbers, as is `maximum`."""
    maximum: float | None = None


class ArrayMember(Contract):
    """An array of an NPZ file, or one of the two of an NPY pair: `x` and `y`."""

    name: str
    shape: tuple[int, ...]
    """Rows, and the shape of one."""
    dtype: str
    """NumPy's name, such as `float32`."""
    part: Annotated[Part | None, _IN_DIVIDED_FILES] = None
    """Which rows it holds of a file that is divided already; left out where the file is not."""
    stem: Annotated[str | None, _IN_DIVIDED_FILES] = None
    """What a spec calls it where it is one of several parts: `x` for `x_train` and `x_test`."""
    values: tuple[ValueCount, ...] | None = None
    """Of whole numbers or booleans, one a row, with few different ones: each with its rows,
    ascending."""
    minimum: float | None = None
    """Of numbers, as is `maximum`."""
    maximum: float | None = None


class ImageFolder(Contract):
    """What the images of a ZIP file have in common."""

    height: tuple[int, int]
    """Of the lowest and of the highest image, in pixels."""
    width: tuple[int, int]
    """Of the narrowest and of the widest image, in pixels."""
    channels: tuple[int, ...]
    """The numbers of channels that occur, ascending: 1 grey, 3 colours, 4 with transparency."""
    classes: tuple[ValueCount, ...]
    """The folders, sorted by name, each with its images: class 0 is the first."""


class OwnSplit(Contract):
    """How many rows each part has in a file that is divided already."""

    train: Annotated[int, Field(ge=1)]
    """They are divided by a spec's split where the file lacks another part."""
    validation: Annotated[int, Field(ge=0)]
    """0 where the file has none."""
    test: Annotated[int, Field(ge=0)]
    """0 where the file has none."""


class DatasetContents(Contract):
    """What is in the file: found when it was uploaded. One of the last three is there."""

    format: DatasetFormat
    rows: Annotated[int, Field(ge=1)]
    """Of all parts."""
    split: Annotated[OwnSplit | None, _IN_DIVIDED_FILES] = None
    """Of an npz with arrays such as `x_train`, `y_train`, `x_test` and `y_test`; left out where the
    spec's split divides all rows."""
    columns: tuple[Column, ...] | None = None
    """Of csv and parquet."""
    arrays: tuple[ArrayMember, ...] | None = None
    """Of npz and npy."""
    images: ImageFolder | None = None
