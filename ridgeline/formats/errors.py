"""Why a data file is rejected: the rules, and the names that columns and classes may have."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from ridgeline.formats.limits import MAX_NAME_LENGTH
from ridgeline.spec.faults import MAX_FAULTS, Fault, pointer

_SHOWN = 80
"""Length limit of a name in a message, in characters."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class FileRule(StrEnum):
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
    """The file cannot be trained on; `faults` say what is wrong and how to fix it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults[:MAX_FAULTS])
        super().__init__("; ".join(f"{fault.pointer} {fault.detail}" for fault in self.faults))


def unusable(rule: FileRule, detail: str, *where: str | int) -> UnusableDataset:
    """The error with one fault; `where` is its path, such as `"columns", "age"`."""
    return UnusableDataset([fault(rule, detail, *where)])


def fault(rule: FileRule, detail: str, *where: str | int) -> Fault:
    """One thing wrong with a file. Long names in `where` are shortened."""
    parts = [shown(part) if isinstance(part, str) else part for part in where]
    return Fault(pointer=pointer(*parts), detail=detail, rule=rule.value)


def shown(name: str) -> str:
    """A name from a file for a message: on one line, shortened, without control codes."""
    line = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def check_columns(names: Sequence[str], most: int) -> None:
    """Raise UnusableDataset if a table has too many columns, or an unusable name."""
    if len(names) > most:
        raise unusable(
            FileRule.TOO_MANY_COLUMNS,
            f"received {len(names):,} columns, expected at most {most:,}: drop columns that"
            " are not features, or store the features as one array in an NPZ file",
        )
    faults = [*_unusable_names(names), *_repeated(names)]
    if faults:
        raise UnusableDataset(faults)


def is_plain(name: str, most: int = MAX_NAME_LENGTH) -> bool:
    """Whether a name is one line of 1 to `most` characters."""
    return 0 < len(name) <= most and not _CONTROL.search(name)


def _unusable_names(names: Sequence[str]) -> list[Fault]:
    return [
        fault(FileRule.COLUMN_NAME, _wrong_name(name, number), "columns", number)
        for number, name in enumerate(names)
        if not is_plain(name)
    ]


def _wrong_name(name: str, number: int) -> str:
    if not name:
        hint = " (pandas writes such a column for its index: use index=False)" if not number else ""
        return f"column {number + 1} has no name{hint}; name every column in the first line"
    if len(name) > MAX_NAME_LENGTH:
        return (
            f"column {number + 1} has a name of {len(name):,} characters, expected at most"
            f" {MAX_NAME_LENGTH}: is the first line the header?"
        )
    return (
        f"column {number + 1} has a line break or a control character in its name, expected plain"
        f" text: rename {shown(name)}"
    )


def _repeated(names: Sequence[str]) -> list[Fault]:
    return [
        fault(
            FileRule.DUPLICATE_COLUMN,
            f"{count} columns are named {shown(name)}, expected each name once: rename or drop"
            " all but one",
            "columns",
            name,
        )
        for name, count in Counter(names).items()
        if count > 1 and name
    ]
