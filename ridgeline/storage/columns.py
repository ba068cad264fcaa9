"""Column types, expressions and row readers that work alike on SQLite and PostgreSQL."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from sqlalchemy import BigInteger, Column, Row, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)

AT_ONCE = 500
"""Parameters in one statement; SQLite is only sure to take a thousand."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_ms() -> ColumnElement[int]:
    """The database's clock in milliseconds since 1970, as an SQL expression.

    It does not advance within a statement. Leases use only this clock, so the machines' clocks need
    not agree.
    """
    return _NowMs()


def milliseconds(seconds: float) -> int:
    """Whole milliseconds in `seconds`."""
    return round(seconds * 1000)


class _NowMs(FunctionElement[int]):
    type = BigInteger()
    inherit_cache = True


@compiles(_NowMs, "sqlite")
def _now_on_sqlite(_element: _NowMs, _compiler: Any, **_options: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42; a Julian day as a double is exact to 0.04 ms.
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"


@compiles(_NowMs, "postgresql")
def _now_on_postgresql(_element: _NowMs, _compiler: Any, **_options: Any) -> str:
    # Unlike clock_timestamp() it is stable in a statement, so an index on a lease can be used.
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"


class Timestamp(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as milliseconds since 1970."""

    impl = BigInteger
    cache_ok = True
    python_type = datetime

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """Turn an aware datetime into milliseconds; raises ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"received the naive datetime {value}; expected one with a time zone")
        return (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """Turn milliseconds into an aware UTC datetime."""
        return None if value is None else _EPOCH + value * _MILLISECOND


class Word(TypeDecorator[W]):
    """A member of the StrEnum `words`, stored as its text of at most `length` characters."""

    impl = String
    cache_ok = True

    def __init__(self, words: type[W], length: int = 16) -> None:
        super().__init__(length)
        self.words = words
        self.length = length

    @property
    def python_type(self) -> type[W]:
        """The enumeration."""
        return self.words

    def process_bind_param(self, value: W | None, _dialect: Dialect) -> str | None:
        """Turn a member into its text."""
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, _dialect: Dialect) -> W | None:
        """Turn the text back into a member."""
        return None if value is None else self.words(value)


class Words(TypeDecorator[tuple[str, ...]]):
    """A tuple of texts, stored as a JSON list."""

    impl = Text
    cache_ok = True
    python_type = tuple

    def process_bind_param(self, value: Iterable[str] | None, _dialect: Dialect) -> str | None:
        """Turn texts into JSON."""
        return None if value is None else json.dumps(list(value))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> tuple[str, ...] | None:
        """Turn JSON back into texts."""
        return None if value is None else tuple(json.loads(value))


class RowReader(Generic[T]):
    """Reads rows into `record`, a NamedTuple or dataclass: one column for each of its fields.

    A field's column is the one of that name in `table`, or the expression given for it. The fields
    `without` have no column and keep their defaults. Raises TypeError, as the module is imported,
    for a field whose type does not match its column.
    """

    def __init__(
        self,
        record: type[T],
        table: Table,
        without: Iterable[str] = (),
        **expressions: ColumnElement[Any],
    ) -> None:
        hints = get_type_hints(record)
        self._record = record
        self._names = [name for name in hints if name not in set(without)]
        columns = {name: expressions.get(name, table.c.get(name)) for name in self._names}
        self.columns = [
            _checked(f"{record.__name__}.{name}", hints[name], column).label(name)
            for name, column in columns.items()
        ]
        """What to select."""

    def read(self, row: Sequence[Any]) -> T:
        """The record of a row that has exactly `columns`, in their order."""
        return self._record(**dict(zip(self._names, row, strict=True)))

    def read_one(self, rows: Iterable[Row[Any]]) -> T | None:
        """The record of the only row, or None if there is none."""
        records = self.read_all(rows)
        return records[0] if records else None

    def read_all(self, rows: Iterable[Row[Any]]) -> list[T]:
        """The record of each row."""
        return [self.read(row) for row in rows]


def _checked(field: str, hint: Any, column: ColumnElement[Any] | None) -> ColumnElement[Any]:
    """The column, if it holds what the field's annotation allows; raises TypeError."""
    if column is None:
        raise TypeError(f"{field} has no column of that name")
    kinds = set(get_args(hint)) if isinstance(hint, UnionType) else {hint}
    if isinstance(column, Column) and bool(column.nullable) is not (NoneType in kinds):
        raise TypeError(f"{field} is {hint}, but its column has nullable={column.nullable}")
    kind = column.type.python_type
    if kind not in {get_origin(each) or each for each in kinds}:
        raise TypeError(f"{field} is {hint}, but its column holds {kind.__name__}")
    return column


def count_fitting(sizes: Sequence[int], max_bytes: int | None) -> int:
    """How many of the first items of these sizes fit into `max_bytes`: at least one."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and max_bytes is not None and total > max_bytes:
            return count
    return len(sizes)
