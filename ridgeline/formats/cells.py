"""Cells of text as values: what inspection guesses by and what training reads with are one."""

import pyarrow as pa
import pyarrow.compute as pc

from ridgeline.spec.dataset.contents import ColumnType

ARROW_TYPES = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TEXT: pa.string(),
}
"""What a column's cells are in a batch; null where one is missing."""
MISSING_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "none")
"""Cells without a value in a column of numbers or booleans. In text only the empty cell is: `NA` is
Namibia, and `None` is an answer."""

_MISSING = pa.array(MISSING_WORDS)
_TRUE = pa.array(["true", "True", "TRUE"])
_FALSE = pa.array(["false", "False", "FALSE"])


def parse(cells: pa.Array, kind: ColumnType) -> pa.Array:
    """Cells of a CSV file as values of that type, spaces around numbers passed over.

    Raises pyarrow.ArrowInvalid where a cell is none.
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
    """NaN says that a value is missing."""
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
