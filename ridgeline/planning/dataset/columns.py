"""One column of a table: how it becomes numbers, and how many."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ridgeline.planning.dataset.outcome import LARGEST, fault, listed, quoted
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
"""A text column of more different values is not one-hot unless the spec says so."""
LONGEST_CATEGORY = 100
"""Characters. A longer value is a text rather than a category."""
_EXACT = 2**24
"""Float32 holds every whole number up to it."""

Key = str | int | float | bool


class Kept(NamedTuple):
    """The numbers that a column becomes."""

    bytes: int
    """Of each number in memory."""
    below: int | None
    """They are whole numbers from 0 to below it; None where they are not."""


def default_encoding(column: Column) -> Encoding:
    """What a column is encoded by where the spec does not say."""
    if column.type is not ColumnType.TEXT:
        return _NUMBER
    values = None if column.values is None else [each.value for each in column.values]
    if values is None or len(values) > MOST_DEFAULT_CATEGORIES:
        return MultiHotEncoding()
    return MultiHotEncoding() if max(map(len, values), default=0) > LONGEST_CATEGORY else _ONE_HOT


_NUMBER, _ONE_HOT = NumberEncoding(), OneHotEncoding()


def spelled_out(encoding: Encoding, column: Column) -> Encoding:
    """The encoding with its categories."""
    if not isinstance(encoding, CategoryEncoding) or encoding.categories is not None:
        return encoding
    values = tuple(each.value for each in column.values or ())
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
    """Whether the scaling acts on what the encoding gives."""
    return isinstance(encoding, NumberEncoding | OrdinalEncoding)


def numbers_kept(encoding: Encoding, column: Column, *, scaled: bool) -> Kept:
    """What memory the numbers take, and whether an Embedding could read them."""
    match encoding:
        case OneHotEncoding() | MultiHotEncoding():
            return Kept(bytes=1, below=2)
        case SequenceEncoding(num_words=words):
            return Kept(bytes=4, below=words)
        case OrdinalEncoding(categories=categories):
            return Kept(bytes=4, below=None if scaled else len(categories or ()) + 1)
    return Kept(bytes=4, below=None if scaled else _whole_below(encoding, column))


def category_keys(column_type: ColumnType, categories: Sequence[str]) -> list[Key]:
    """Categories as cells of this type are; raises ValueError where one cannot be."""
    match column_type:
        case ColumnType.TEXT:
            return list(categories)
        case ColumnType.INTEGER:
            return [int(each) for each in categories]
        case ColumnType.NUMBER:
            return [float(each) for each in categories]
    return [_BOOLEANS.index(each) == 1 for each in categories]


_BOOLEANS = ("false", "true")


def encoding_faults(encoding: Encoding, column: Column) -> Iterator[Fault]:
    """Why a column cannot be encoded so."""
    if isinstance(encoding, NumberEncoding):
        yield from _number_faults(encoding, column)
    elif isinstance(encoding, TextEncoding):
        if column.type is not ColumnType.TEXT:
            fix = "number, one_hot or ordinal"
            yield _misfit(column, f"expected {fix}: {quoted(column.name)} is no text")
    else:
        yield from _category_faults(encoding, column)


def _number_faults(encoding: NumberEncoding, column: Column) -> Iterator[Fault]:
    if column.type is ColumnType.TEXT:
        fix = "expected one_hot, ordinal, multi_hot or sequence"
        yield _misfit(column, f"{fix}: {quoted(column.name)} is text")
    elif column.distinct == 0:
        detail = f"expected values; no row has one in {quoted(column.name)}: leave it out"
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
            f"expected numbers up to {LARGEST:.3g}, whose squares float32 holds; scale"
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
        detail = f"expected values; no row has one in {name}: leave it out"
        yield fault(*at, detail=detail, rule="empty-column")
        return
    try:
        keys = set(category_keys(column.type, categories))
        found = category_keys(column.type, [each.value for each in column.values or ()])
    except ValueError:
        detail = f"expected categories that are each a {column.type.value}, as {name} is"
        yield fault(*at, "categories", detail=detail, rule="categories-fit-column")
        return
    lacking = [str(key) for key in found if key not in keys]
    if lacking or column.distinct > len(keys):
        what = listed(lacking) or f"{column.distinct} different values"
        detail = f"expected every value of {name} among the categories; the rows hold {what} too"
        yield fault(*at, "categories", detail=detail, rule="categories-fit-column")


def _misfit(column: Column, detail: str) -> Fault:
    return fault("encodings", column.name, detail=detail, rule="encoding-fits-column")


def _whole_below(encoding: Encoding, column: Column) -> int | None:
    """One more than the largest of whole numbers from 0 on."""
    if column.type is ColumnType.BOOLEAN:
        return None if column.missing and _by_mean(encoding) else 2
    if column.type is not ColumnType.INTEGER or (column.missing and _by_mean(encoding)):
        return None
    low, high = column.minimum, column.maximum
    if low is None or high is None or low < 0 or high >= _EXACT:
        return None
    return int(high) + 1


def _by_mean(encoding: Encoding) -> bool:
    return isinstance(encoding, NumberEncoding) and encoding.missing == "mean"
