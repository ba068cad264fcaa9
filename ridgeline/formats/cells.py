"""Cells of text as values, and counts of them in bounded memory.

Inspection infers a column's type by trying the same parse() that training reads with.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ridgeline.formats.limits import (
    MAX_DISTINCT,
    MAX_DISTINCT_BYTES,
    MAX_DISTINCT_IN_ALL,
    MAX_LISTED,
    MAX_LISTED_IN_ALL,
    MAX_LISTED_LENGTH,
)
from ridgeline.spec.dataset.contents import Column, ColumnType, ValueCount

ARROW_TYPES = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TEXT: pa.string(),
}
"""The Arrow type of a column's cells in a batch; a missing cell is null."""
MISSING_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "none")
"""Cells that count as missing in a column of numbers or booleans. In a column of text only the
empty cell does: `NA` may be Namibia, and `None` an answer."""
_MISSING = pa.array(MISSING_WORDS)
_TRUE = pa.array(["true", "True", "TRUE"])
_FALSE = pa.array(["false", "False", "FALSE"])


def parse(cells: pa.Array, kind: ColumnType) -> pa.Array:
    """Cells of a CSV file as values of type `kind`; spaces around numbers are ignored.

    Raises pyarrow.ArrowInvalid if a cell does not have the type.
    """
    if kind is ColumnType.TEXT:
        return pc.if_else(pc.equal(cells, ""), None, cells)
    if kind is ColumnType.BOOLEAN:
        return _booleans(_stripped(cells))
    try:  # nearly always there is nothing to strip
        values = pc.cast(cells, ARROW_TYPES[kind])
    except pa.ArrowInvalid:
        values = pc.cast(_stripped(cells), ARROW_TYPES[kind])
    return without_nan(values) if kind is ColumnType.NUMBER else values


def without_nan(values: pa.Array) -> pa.Array:
    """Replace NaN by null: it marks a missing value."""
    nan = pc.is_nan(values)
    return pc.if_else(nan, None, values) if pc.any(nan).as_py() else values


def texts(values: pa.Array) -> pa.Array:
    """Values as `Column.values` writes them: `7`, `0.5`, `true`, and text as it is."""
    if pa.types.is_floating(values.type):
        values = pc.add(values, 0.0)  # minus zero is zero
    return pc.cast(values, pa.string())


def _stripped(cells: pa.Array) -> pa.Array:
    stripped = pc.ascii_trim_whitespace(cells)
    return pc.if_else(pc.is_in(stripped, value_set=_MISSING), None, stripped)


def _booleans(cells: pa.Array) -> pa.Array:
    true = pc.is_in(cells, value_set=_TRUE)
    known = pc.or_(true, pc.or_(pc.is_in(cells, value_set=_FALSE), pc.is_null(cells)))
    if not pc.all(known, min_count=0).as_py():
        raise pa.ArrowInvalid("a cell is neither true nor false")
    return pc.if_else(pc.is_null(cells), None, true)


@dataclass
class Census:
    """How many rows have each value of a column; None once there are too many values."""

    columns: int = 1
    """The number of columns that share the memory."""
    counts: dict[Any, int] | None = field(default_factory=dict)
    _bytes: int = 0

    def add(self, values: pa.Array) -> None:
        """Count values; nulls are skipped."""
        if self.counts is None:
            return
        counted = pc.value_counts(values)
        if len(counted) > self._limit + 1:  # and one null
            self.counts = None
            return
        values = counted.field(0).to_pylist()
        self._bytes += sum(_size(value) for value in values if value not in self.counts)
        for value, rows in zip(values, counted.field(1).to_pylist(), strict=True):
            self.counts[value] = self.counts.get(value, 0) + rows
        self.counts.pop(None, None)
        if len(self.counts) > self._limit or self._bytes > MAX_DISTINCT_BYTES // self.columns:
            self.counts = None

    @property
    def _limit(self) -> int:
        return min(MAX_DISTINCT, MAX_DISTINCT_IN_ALL // self.columns)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else 8


@dataclass
class Extent:
    """The smallest and the largest number so far."""

    minimum: float | None = None
    maximum: float | None = None

    def add(self, values: pa.Array) -> None:
        """Include numbers; nulls are skipped."""
        ends = pc.min_max(values).as_py()
        if ends["min"] is not None:
            self.include(float(ends["min"]), float(ends["max"]))

    def include(self, low: float, high: float) -> None:
        """Extend the range to `low` and `high`."""
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)

    @property
    def is_finite(self) -> bool:
        """Whether no number was infinite."""
        ends = (self.minimum, self.maximum)
        return all(end is None or math.isfinite(end) for end in ends)


def describe(
    name: str, kind: ColumnType, missing: int, counts: Mapping[Any, int] | None, extent: Extent
) -> Column:
    """The column, described by its counted values, which have its type."""
    numeric = kind in (ColumnType.INTEGER, ColumnType.NUMBER)
    return Column(
        name=name,
        type=kind,
        missing=missing,
        distinct=None if counts is None else len(counts),
        values=None if counts is None else _listed(counts, kind),
        minimum=extent.minimum if numeric else None,
        maximum=extent.maximum if numeric else None,
    )


def within_budget(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns; those with the most values list none if all together exceed the budget."""
    left = MAX_LISTED_IN_ALL
    kept = set()
    for number in sorted(range(len(columns)), key=lambda number: len(columns[number].values or ())):
        left -= len(columns[number].values or ())
        if left >= 0:
            kept.add(number)
    return tuple(
        column if number in kept else replace_values(column)
        for number, column in enumerate(columns)
    )


def replace_values(column: Column) -> Column:
    """The column without its list of values."""
    return column.model_copy(update={"values": None})


def _listed(counts: Mapping[Any, int], kind: ColumnType) -> tuple[ValueCount, ...] | None:
    if len(counts) > MAX_LISTED:
        return None
    if any(len(value) > MAX_LISTED_LENGTH for value in counts if isinstance(value, str)):
        return None
    values = sorted(counts)
    written = texts(pa.array(values, ARROW_TYPES[kind])).to_pylist()
    return tuple(
        ValueCount(value=text, rows=counts[value])
        for text, value in zip(written, values, strict=True)
    )
