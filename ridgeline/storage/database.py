"""The connection to SQLite or PostgreSQL: transactions, the health check and migrations."""

import fcntl
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ridgeline.storage.errors import DatabaseUnavailable, MigrationFailed, UnusableDatabaseUrl
from ridgeline.storage.migrations import is_current, upgrade
from ridgeline.storage.records.account import accounting

_BUSY_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 10
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""Detects a lost host or network within half a minute; TCP by itself would wait for hours."""
_IDLE_TRANSACTION_S = 5.0
"""How long PostgreSQL waits for the next statement of a transaction. Without a limit, a client that
freezes or vanishes within a transaction keeps its row locks, and so its jobs, for hours."""
_MIGRATION_LOCK = 0x52494447
"""An arbitrary number that identifies the advisory lock on PostgreSQL."""
_migrating = threading.Lock()  # Alembic keeps the running migration in a module-level global


class Database:
    """One SQLite file or one PostgreSQL database.

    `url` is `sqlite:///folder/file.db` or `postgresql://user@host/name`; raises
    UnusableDatabaseUrl for anything else. It opens up to twice `pool_size` connections. Threads may
    share it; processes may not: create it after a fork.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = _checked(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        """Whether the records are in one SQLite file, and thus on one machine only."""
        pool = {"pool_size": pool_size, "max_overflow": pool_size, "hide_parameters": True}
        self._engine = (_sqlite if self.is_sqlite else _postgresql)(self.url, pool)
        if not self.is_sqlite:
            event.listen(self._engine, "connect", _limit_idle_transactions)
        # Threads that compete for SQLite's own lock sleep and poll (p99 under load: 700 ms); with a
        # lock in the process they queue (20 ms).
        self._writers: AbstractContextManager[object] = (
            _process_lock(str(self.url.database)) if self.is_sqlite else nullcontext()
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction that sees one snapshot.

        Raises DatabaseUnavailable.
        """
        with _unavailable(), self._engine.connect() as plain:
            connection = plain if self.is_sqlite else _read_only(plain)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at its end, or rolled back if the block raises.

        On SQLite only one runs at a time, so what it reads stays true until it ends; on PostgreSQL
        lock the rows that it decides on. Do not nest. Raises DatabaseUnavailable.
        """
        with self._writers, _unavailable(), self._engine.connect() as plain:
            connection = plain.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with accounting(connection) as account, connection.begin():
                yield connection
                account.write(connection)
        account.log()

    def ping(self) -> None:
        """Check that the database responds; raises DatabaseUnavailable."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def migrate(self) -> None:
        """Bring the schema to this version; processes that start concurrently wait for each other.

        Raises DatabaseUnavailable, NewerDatabase and MigrationFailed.
        """
        with self.read() as connection:
            if is_current(connection):
                return
        try:
            with _migrating, self.schema_change() as connection:
                if not is_current(connection):  # else another process was first
                    upgrade(connection)
        except DBAPIError as error:
            raise MigrationFailed(str(error.orig)) from error

    def close(self) -> None:
        """Close all unused connections."""
        self._engine.dispose()

    @contextmanager
    def schema_change(self) -> Iterator[Connection]:
        """The transaction of a migration: only one runs at a time.

        Raises DatabaseUnavailable.
        """
        if not self.is_sqlite:
            with self.write() as connection:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                yield connection
            return
        with self._writers, _unavailable(), self._engine.connect() as plain:
            connection = plain.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            # SQLite alters a table by copying and dropping it. With foreign keys on, dropping
            # `jobs` would delete all rows that belong to a job.
            with _without_foreign_keys(connection), connection.begin():
                yield connection


def _checked(url: str) -> URL:
    """The URL with its driver. Errors do not quote it: it may contain a password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UnusableDatabaseUrl("Expected sqlite:///FILE or postgresql://HOST/NAME.") from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise UnusableDatabaseUrl(
            f"Received a URL for {backend}; expected sqlite:///FILE or postgresql://HOST/NAME."
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise UnusableDatabaseUrl(
            "Received SQLite in memory or with options; expected a plain file: sqlite:///FILE."
        )
    return URL.create("sqlite", database=str(Path(parsed.database).resolve()))


def _postgresql(url: URL, pool: dict[str, Any]) -> Engine:
    arguments = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "application_name": "ridgeline",
        **_KEEPALIVE,
    }
    return create_engine(url, pool_pre_ping=True, connect_args=arguments, **pool)


def _limit_idle_transactions(dbapi_connection: Any, _record: object) -> None:
    """Set the limit unless the URL or the server's settings have one."""
    name = "idle_in_transaction_session_timeout"
    limit_ms = round(_IDLE_TRANSACTION_S * 1000)
    dbapi_connection.execute(
        f"SELECT set_config('{name}', '{limit_ms}', false) WHERE current_setting('{name}') = '0'"
    )
    dbapi_connection.commit()  # a rollback would undo it


def _sqlite(url: URL, pool: dict[str, Any]) -> Engine:
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    # With isolation_level None the driver begins no transaction by itself: _begin does.
    arguments = {"timeout": _BUSY_TIMEOUT_S, "isolation_level": None}
    engine = create_engine(url, connect_args=arguments, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.execute("PRAGMA synchronous=FULL")
        dbapi_connection.execute("PRAGMA foreign_keys=ON")
        _enter_wal(dbapi_connection, path.parent)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _enter_wal(dbapi_connection: Any, folder: Path) -> None:
    """Switch the file to WAL; if two processes did so at once, SQLite would raise "locked"."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        mode = dbapi_connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    finally:
        os.close(descriptor)
    if mode != "wal":
        raise UnusableDatabaseUrl(
            f"SQLite has the journal mode {mode!r} there; expected a local disk that allows WAL."
        )


@functools.cache
def _process_lock(_path: str) -> threading.Lock:
    """The lock shared by all writers of this process to one file."""
    return threading.Lock()


def _read_only(connection: Connection) -> Connection:
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    # The pragma does nothing inside a transaction, so it goes around SQLAlchemy's.
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


# InternalError: a standby that only reads after a failover, a transaction that idled too long.
_AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeout)


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turn all errors of an unavailable database into DatabaseUnavailable."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, _AWAY) or error.connection_invalidated:
            raise DatabaseUnavailable(str(error).partition("\n")[0]) from error
        raise
