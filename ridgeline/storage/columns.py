"""Column types and expressions that mean the same on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from ridgeline.api.lifecycle import JobStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_ms() -> ColumnElement[int]:
    """The database's clock in milliseconds since 1970, as an SQL expression.

    It stands still within one statement. Leases live by this clock alone, so the clocks of the
    machines need not agree.
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


class Status(TypeDecorator[JobStatus]):
    """A JobStatus, stored as its word."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: JobStatus | None, _dialect: Dialect) -> str | None:
        """Turn a JobStatus into its word."""
        return None if value is None else JobStatus(value).value

    def process_result_value(self, value: str | None, _dialect: Dialect) -> JobStatus | None:
        """Turn the word back into a JobStatus."""
        return None if value is None else JobStatus(value)
