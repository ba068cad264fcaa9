"""What is refused of an uploaded file, and the words for it."""

from collections.abc import Sequence
from enum import StrEnum

from ridgeline.spec.faults import MAX_FAULTS, Fault, pointer

_SHOWN = 80
"""Characters of a name that a message shows."""


class Rule(StrEnum):
    """Which rule a file broke, for programs: a fault's `rule`."""

    # Of every file.
    EMPTY = "empty"
    UNKNOWN_FORMAT = "unknown-format"
    FORMAT_MISMATCH = "format-mismatch"
    DAMAGED = "damaged"
    OUT_OF_MEMORY = "out-of-memory"
    # Of tables.
    NO_ROWS = "no-rows"
    TOO_MANY_ROWS = "too-many-rows"
    TOO_MANY_COLUMNS = "too-many-columns"
    COLUMN_NAME = "column-name"
    DUPLICATE_COLUMN = "duplicate-column"
    NO_HEADER = "no-header"
    DELIMITER = "delimiter"
    RAGGED_ROW = "ragged-row"
    GIANT_ROW = "giant-row"
    GIANT_CELL = "giant-cell"
    ENCODING = "encoding"
    NUL_BYTE = "nul-byte"
    NOT_FINITE = "not-finite"
    COLUMN_TYPE = "column-type"
    CELL_TYPE = "cell-type"
    UNKNOWN_COLUMN = "unknown-column"
    TABLE_BOMB = "table-bomb"
    ENCRYPTED = "encrypted"
    # Of arrays.
    NPY_HEADER = "npy-header"
    NPY_PAIR = "npy-pair"
    PICKLE = "pickle"
    DTYPE = "dtype"
    SHAPE = "shape"
    ROWS_DIFFER = "rows-differ"
    ARRAY_SIZE = "array-size"
    ARRAY_ORDER = "array-order"
    TOO_MANY_ARRAYS = "too-many-arrays"
    SPLIT_NAMES = "split-names"
    SPLIT_ARRAYS = "split-arrays"
    SPLIT_SHAPES = "split-shapes"
    SPLIT_TYPES = "split-types"
    # Of archives.
    ZIP_BOMB = "zip-bomb"
    TOO_MANY_MEMBERS = "too-many-members"
    UNSAFE_NAME = "unsafe-name"
    SYMLINK = "symlink"
    DUPLICATE_MEMBER = "duplicate-member"
    OVERLAP = "overlap"
    COMPRESSION = "compression"
    NESTED_ARCHIVE = "nested-archive"
    UNEXPECTED_MEMBER = "unexpected-member"
    # Of images.
    LAYOUT = "layout"
    SINGLE_CLASS = "single-class"
    EMPTY_CLASS = "empty-class"
    TOO_MANY_CLASSES = "too-many-classes"
    NOT_AN_IMAGE = "not-an-image"
    IMAGE_BOMB = "image-bomb"
    DAMAGED_IMAGE = "damaged-image"


class UnusableDataset(ValueError):
    """The file cannot be trained on: `faults` say what was found, and how to mend it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults[:MAX_FAULTS])
        super().__init__("; ".join(f"{fault.pointer} {fault.detail}" for fault in self.faults))


def unusable(rule: Rule, detail: str, *where: str | int) -> UnusableDataset:
    """The error with one fault; `where` is the way to it, such as `"columns", "age"`."""
    return UnusableDataset([fault(rule, detail, *where)])


def fault(rule: Rule, detail: str, *where: str | int) -> Fault:
    """One thing wrong with a file. Names in `where` are cut where they are long."""
    parts = [shown(part) if isinstance(part, str) else part for part in where]
    return Fault(pointer=pointer(*parts), detail=detail, rule=rule.value)


def shown(name: str) -> str:
    """A name out of a file as a message may show it: on one line, and not too long."""
    line = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
