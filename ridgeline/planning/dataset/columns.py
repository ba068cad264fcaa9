"""How a column of a table becomes numbers, and how many."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ridgeline.planning.dataset.outcome import EXACT, LARGEST, fault, listed, quoted
from ridgeline.spec.dataset.contents import Column, ColumnType
from ridgeline.spec.dataset.encodings import (
    MAX_CATEGORIES,
    CategoryEncoding,
    Encoding,
    MultiHotEncoding,
    NumberEncoding,
    OneHotEncoding,
    OrdinalEncoding,
    SequenceEncoding,
    TextEncoding,
)
from ridgeline.spec.faults import Fault

MOST_DEFAULT_CATEGORIES = 100
"""A text column with more different values is one-hot only if the spec says so."""
LONGEST_CATEGORY = 100
"""Characters; a longer value is a text rather than a category."""
Key = str | int | float | bool


class EncodedNumbers(NamedTuple):
    """The numbers that a column becomes."""

    bytes: int
    """Bytes of a number in memory."""
    below: int | None
    """The numbers are whole, from 0 to below it; None if they are not."""


def default_encoding(column: Column) -> Encoding:
    """The encoding of a column for which the spec has none."""
    if column.type is not ColumnType.TEXT:
        return _NUMBER
    values = None if column.values is None else [count.value for count in column.values]
    if values is None or len(values) > MOST_DEFAULT_CATEGORIES:
        return MultiHotEncoding()
    return MultiHotEncoding() if max(map(len, values), default=0) > LONGEST_CATEGORY else _ONE_HOT


_NUMBER, _ONE_HOT = NumberEncoding(), OneHotEncoding()


def spelled_out(encoding: Encoding, column: Column) -> Encoding:
    """The encoding with its categories filled in."""
    if not isinstance(encoding, CategoryEncoding) or encoding.categories is not None:
        return encoding
    values = tuple(count.value for count in column.values or ())
    return encoding.model_copy(update={"categories": values})


def width(encoding: Encoding) -> int:
    """How many numbers a cell becomes."""
    match encoding:
        case OneHotEncoding(categories=categories):
            return len(categories or ())
        case MultiHotEncoding(num_words=words):
            return words
        case SequenceEncoding(maxlen=length):
            return length
    return 1


def acts_on_numbers(encoding: Encoding) -> bool:
    """Whether the scaling acts on the encoded numbers."""
    return isinstance(encoding, NumberEncoding | OrdinalEncoding)


def numbers_kept(encoding: Encoding, column: Column, *, scaled: bool) -> EncodedNumbers:
    """The memory that the numbers take, and whether an Embedding can read them."""
    match encoding:
        case OneHotEncoding() | MultiHotEncoding():
            return EncodedNumbers(bytes=1, below=2)
        case SequenceEncoding(num_words=words):
            return EncodedNumbers(bytes=4, below=words)
        case OrdinalEncoding(categories=categories):
            return EncodedNumbers(bytes=4, below=None if scaled else len(categories or ()) + 1)
    return EncodedNumbers(bytes=4, below=None if scaled else _whole_below(encoding, column))


def _whole_below(encoding: Encoding, column: Column) -> int | None:
    """One more than the largest value, if all are whole numbers from 0; else None."""
    if column.type is ColumnType.BOOLEAN:
        return None if column.missing and _by_mean(encoding) else 2
    if column.type is not ColumnType.INTEGER or (column.missing and _by_mean(encoding)):
        return None
    low, high = column.minimum, column.maximum
    if low is None or high is None or low < 0 or high >= EXACT:
        return None
    return int(high) + 1


def _by_mean(encoding: Encoding) -> bool:
    return isinstance(encoding, NumberEncoding) and encoding.missing == "mean"


def category_keys(column_type: ColumnType, categories: Sequence[str]) -> list[Key]:
    """Categories as values of the column's type. Raises ValueError if one is not of the type."""
    match column_type:
        case ColumnType.TEXT:
            return list(categories)
        case ColumnType.INTEGER:
            return [int(category) for category in categories]
        case ColumnType.NUMBER:
            return [float(category) for category in categories]
    return [_BOOLEANS.index(category) == 1 for category in categories]


_BOOLEANS = ("false", "true")


def encoding_faults(encoding: Encoding, column: Column) -> Iterator[Fault]:
    """Why a column cannot have this encoding."""
    if isinstance(encoding, NumberEncoding):
        yield from _number_faults(encoding, column)
    elif isinstance(encoding, TextEncoding):
        if column.type is not ColumnType.TEXT:
            fitting = "number, one_hot or ordinal"
            detail = f"expected {fitting}: {quoted(column.name)} is {column.type.value}, not text"
            yield _misfit(column, detail)
    else:
        yield from _category_faults(encoding, column)


def _number_faults(encoding: NumberEncoding, column: Column) -> Iterator[Fault]:
    if column.type is ColumnType.TEXT:
        fix = "expected one_hot, ordinal, multi_hot or sequence"
        yield _misfit(column, f"{fix}: {quoted(column.name)} is text")
    elif column.distinct == 0:
        detail = f"expected values; {quoted(column.name)} is empty in all rows: leave it out"
        yield fault("encodings", column.name, detail=detail, rule="empty-column")
    elif column.missing and encoding.missing == "error":
        detail = (
            f"expected a value in every row; {column.missing} row(s) have none in"
            f' {quoted(column.name)}: set {{"type": "number", "missing": "mean"}} or "zero", or'
            " leave the column out of features"
        )
        yield fault("encodings", column.name, detail=detail, rule="missing-values")
    elif max(abs(column.minimum or 0), abs(column.maximum or 0)) > LARGEST:
        detail = (
            f"expected numbers up to {LARGEST:.3g}, whose squares fit into float32; scale"
            f" {quoted(column.name)} down, or leave it out of features"
        )
        yield fault("encodings", column.name, detail=detail, rule="number-range")


def _category_faults(encoding: CategoryEncoding, column: Column) -> Iterator[Fault]:
    categories = encoding.categories or ()
    at, name = ("encodings", column.name), quoted(column.name)
    if column.distinct is None or column.distinct > MAX_CATEGORIES:
        count = "more" if column.distinct is None else str(column.distinct)
        fix = "multi_hot" if column.type is ColumnType.TEXT else "number"
        detail = (
            f"expected at most {MAX_CATEGORIES} different values, {name} has {count}; use {fix}, or"
            " leave the column out of features"
        )
        yield fault(*at, detail=detail, rule="too-many-categories")
        return
    if not categories:
        detail = f"expected values; {name} is empty in all rows: leave it out"
        yield fault(*at, detail=detail, rule="empty-column")
        return
    try:
        keys = set(category_keys(column.type, categories))
        values = category_keys(column.type, [count.value for count in column.values or ()])
    except ValueError:
        detail = f"expected every category to be of type {column.type.value}, like {name}"
        yield fault(*at, "categories", detail=detail, rule="categories-fit-column")
        return
    missing = [str(value) for value in values if value not in keys]
    if missing or column.distinct > len(keys):
        others = listed(missing) or f"{column.distinct} different values"
        detail = f"expected every value of {name} among the categories; its rows also have {others}"
        yield fault(*at, "categories", detail=detail, rule="categories-fit-column")


def _misfit(column: Column, detail: str) -> Fault:
    return fault("encodings", column.name, detail=detail, rule="encoding-fits-column")
