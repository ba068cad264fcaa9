"""Transactions, clocks and pragmas."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, select, text

from ridgeline.storage import Database, DatabaseUnavailable, JobStore, UnusableDatabaseUrl
from ridgeline.storage.columns import Timestamp, now_ms


def test_clock_is_the_databases_in_milliseconds(database: Database) -> None:
    with database.read() as connection:
        before = time.time() * 1000
        now = connection.execute(select(now_ms())).scalar_one()
        after = time.time() * 1000
    assert isinstance(now, int)
    assert before - 2 <= now <= after + 2


def test_clock_does_not_advance_within_a_statement(database: Database) -> None:
    with database.read() as connection:
        different = connection.execute(select(now_ms() - now_ms())).scalar_one()
    assert different == 0


def test_clock_advances_within_a_transaction(database: Database) -> None:
    """A lease starts when it is written, not when its transaction started to wait for a lock."""
    with database.read() as connection:
        first = connection.execute(select(now_ms())).scalar_one()
        time.sleep(0.01)
        assert connection.execute(select(now_ms())).scalar_one() > first


def test_timestamps_keep_milliseconds_and_are_returned_in_utc(database: Database) -> None:
    moment = datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    with database.read() as connection:
        assert connection.execute(select(literal(moment))).scalar_one() == moment
        with pytest.raises(Exception, match="naive"):
            connection.execute(select(literal(moment.replace(tzinfo=None))))


def literal(moment: datetime) -> Any:
    return bindparam("moment", moment, type_=Timestamp())


def test_read_sees_one_snapshot(
    database: Database, jobs: JobStore, submit: Callable[..., str]
) -> None:
    submit()
    count = text("SELECT count(*) FROM jobs")
    with database.read() as connection:
        assert connection.execute(count).scalar_one() == 1
        submit()
        assert connection.execute(count).scalar_one() == 1
    with database.read() as connection:
        assert connection.execute(count).scalar_one() == 2


def test_write_that_raises_is_rolled_back(
    database: Database, submit: Callable[..., str], jobs: JobStore
) -> None:
    job_id = submit()

    def fail_halfway() -> None:
        with database.write() as connection:
            connection.execute(text("UPDATE jobs SET name = 'changed'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    record = jobs.get(job_id)
    assert record is not None
    assert record.name is None
    submit()  # and the writers' queue is free again


def test_ping(database: Database) -> None:
    database.ping()


def test_missing_server_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://user:secret@/name?host={tmp_path}")
    with pytest.raises(DatabaseUnavailable) as caught:
        database.ping()
    assert "secret" not in str(caught.value)


def test_unreadable_file_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}")
    with pytest.raises(DatabaseUnavailable):
        database.ping()


@pytest.mark.parametrize(
    "option", ["default_transaction_read_only=on", "idle_in_transaction_session_timeout=50"]
)
def test_server_during_failover_is_unavailable(
    postgresql_server: Callable[[], str], option: str
) -> None:
    """It is read-only for a while, or ends connections that were idle while it was suspended."""
    database = Database(f"{postgresql_server()}%20-c{option.replace('=', '%3D')}")
    with pytest.raises(DatabaseUnavailable):
        _write_slowly(database)
    database.close()


def _write_slowly(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
        time.sleep(0.2)
        connection.execute(text("CREATE TABLE anything (id int)"))


def test_server_that_shuts_down_is_unavailable(postgresql_server: Callable[[], str]) -> None:
    url = postgresql_server()
    database, other = Database(url), Database(url)
    with pytest.raises(DatabaseUnavailable):
        _write_while_killed(database, other)
    database.close()
    other.close()


def _write_while_killed(database: Database, other: Database) -> None:
    with database.write() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with other.read() as killer:
            killer.execute(text(f"SELECT pg_terminate_backend({pid:d})"))
        connection.execute(text("SELECT 1"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file.db?mode=ro",
        "mysql://user:secret@host/name",
        "secret nonsense",
        "",
    ],
)
def test_unusable_url_is_rejected(url: str) -> None:
    with pytest.raises(UnusableDatabaseUrl, match="sqlite:///FILE") as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_errors_do_not_quote_parameters(database: Database) -> None:
    """A spec must not leak into logs."""
    statement = text("SELECT nowhere FROM jobs WHERE spec = :spec")
    with pytest.raises(Exception, match="nowhere") as caught, database.read() as connection:
        connection.execute(statement, {"spec": "private"})
    assert "private" not in str(caught.value)


class TestSqlite:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "new" / "folder" / "records.db"

    @pytest.fixture
    def file(self, path: Path) -> Any:
        database = Database(f"sqlite:///{path}")
        yield database
        database.close()

    def test_pragmas(self, file: Database) -> None:
        with file.read() as connection:
            for pragma, value in {
                "journal_mode": "wal",
                "synchronous": 2,  # FULL: what was committed survives a power cut
                "foreign_keys": 1,
                "busy_timeout": 30_000,
            }.items():
                assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value

    def test_write_acquires_the_lock_at_its_start(self, file: Database, path: Path) -> None:
        """Otherwise a read that becomes a write fails at once, whatever the timeout."""
        file.ping()
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        with file.write():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.execute("BEGIN").execute("SELECT 1").fetchall()  # readers pass
            other.execute("COMMIT")
        other.close()

    def test_processes_switch_to_wal_one_at_a_time(self, file: Database, path: Path) -> None:
        """SQLite does not wait there: one of two starting processes would fail."""
        folder = os.open(path.parent, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        opening = threading.Thread(target=file.ping)
        opening.start()
        opening.join(timeout=0.2)
        assert opening.is_alive()
        os.close(folder)
        opening.join(timeout=10)
        assert not opening.is_alive()

    def test_writers_of_a_process_share_one_queue(self, path: Path, tmp_path: Path) -> None:
        first = Database(f"sqlite:///{path}")
        again = Database(f"sqlite:///{path.parent}/../folder/{path.name}")
        other = Database(f"sqlite:///{tmp_path}/other.db")
        assert first._writers is again._writers
        assert first._writers is not other._writers
