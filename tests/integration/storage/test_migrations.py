"""The migrations create the schema that the code expects, once, whatever starts concurrently."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import Database, JobStore, LeaseStore, MigrationFailed, NewerDatabase
from ridgeline.storage.migrations import REVISIONS, config, is_current, upgrade
from ridgeline.storage.tables import metadata
from tests.integration.storage.conftest import execute_on
from tests.rig.migrations import migrate_by_alembic

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def by_alembic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run Alembic: the databases of other tests are copies of a migrated one."""
    monkeypatch.setattr(Database, "migrate", migrate_by_alembic)


def test_migrated_schema_matches_the_tables(database: Database) -> None:
    with database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrated_checks_match_the_tables(database: Database) -> None:
    """Alembic's comparison skips CHECK constraints."""
    with database.read() as connection:
        inspector = inspect(connection)
        for table in metadata.tables.values():
            expected = {
                str(constraint.name)
                for constraint in table.constraints
                if type(constraint).__name__ == "CheckConstraint"
            }
            checks = {check["name"] for check in inspector.get_check_constraints(table.name)}
            assert checks == expected, table.name


def test_migrating_again_changes_nothing(
    database: Database, jobs: JobStore, submit: Callable[..., str]
) -> None:
    job_id = submit()
    database.migrate()
    assert jobs.get(job_id) is not None


OLD_JOB = (
    "INSERT INTO jobs (id, version, tags, spec, resolved, penalties, advice, epochs, status,"
    " metrics, available_at, attempt, crash_count, drain_count, fence, progress_epoch, created_at)"
    " VALUES ('job_1', 1, '[]', '{}', '{}', '[]', '[]', 1, 'queued', '{}', 1, 0, 0, 0, 0, 0, 1)"
)
OLD_EVENT = (
    "INSERT INTO events (job_id, type, attempt, fence, before, after, payload, created_at)"
    " VALUES ('job_1', 'status', 0, 0, NULL, 'queued', '{}', 1)"
)


def test_jobs_of_the_first_release_can_be_claimed(database_url: str) -> None:
    """They keep all their rows, and later rules apply to them as to new jobs."""
    database = Database(database_url)
    with database.schema_change() as connection:
        upgrade(connection, "0001")
    with database.write() as connection:
        for statement in (OLD_JOB, OLD_EVENT, OLD_EVENT, "DELETE FROM events WHERE id = 2"):
            connection.execute(text(statement))
    database.migrate()
    jobs, leases = JobStore(database), LeaseStore(database)
    claim = leases.claim("job_1", "worker")
    assert claim is not None
    assert [event.id for event in jobs.events("job_1")] == [1, 3]  # no id is given twice
    reason = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
    assert leases.finish(claim, JobStatus.SUCCEEDED, reason, report="{}")
    assert jobs.report("job_1") == "{}"
    with pytest.raises(IntegrityError, match="never changes"), database.write() as connection:
        connection.execute(text("UPDATE jobs SET name = 'x'"))
    database.close()


#: The statuses of an earlier release, with the status before and the changes to the row.
OLD_ROWS = {
    "queued": ("running", "UPDATE jobs SET deadline_at = 9000000000000"),
    "running": (
        "queued",
        "UPDATE jobs SET status = :id, lease_owner = 'w', lease_expires_at = 1",
    ),
    "cancelling": (
        "running",
        (
            "UPDATE jobs SET status = :id, lease_owner = 'w', lease_expires_at = 1,"
            " cancel_requested_at = 1"
        ),
    ),
    "succeeded": (
        "running",
        "UPDATE jobs SET status = :id, finished_at = 1, reason_code = 'completed'",
    ),
    "failed": (
        "cancelling",
        (
            "UPDATE jobs SET status = :id, finished_at = 1, reason_code = 'diverged',"
            " cancel_requested_at = 1"
        ),
    ),
    "cancelled": (
        "cancelling",
        (
            "UPDATE jobs SET status = :id, finished_at = 1, reason_code = 'cancelled_by_user',"
            " cancel_requested_at = 1"
        ),
    ),
}
OLD_ATTEMPT = (
    (
        "INSERT INTO attempts (job_id, attempt, fence, owner, started_at)"
        " VALUES ('job_1', 1, 1, 'w', 1)"
    ),
    "INSERT INTO outbox (job_id, available_at) VALUES ('job_1', 1)",
    (
        "INSERT INTO events (job_id, type, attempt, fence, before, after, payload, created_at)"
        " VALUES ('job_1', 'status', 1, 1, :before, :id, '{}', 1)"
    ),
    "UPDATE jobs SET attempt = 1, fence = 1",
)


def test_jobs_of_every_status_survive_migration(database_url: str) -> None:
    database = Database(database_url)
    with database.schema_change() as connection:
        upgrade(connection, "0002")
    with database.write() as connection:
        for status, (before, row) in OLD_ROWS.items():
            for statement in (OLD_JOB, OLD_EVENT, *OLD_ATTEMPT, row):
                known = {"id": status, "before": before}
                where = " WHERE id = :id" if statement.startswith("UPDATE") else ""
                connection.execute(text(statement.replace("'job_1'", ":id") + where), known)
    database.migrate()
    jobs, leases = JobStore(database), LeaseStore(database)
    listed = {record.id: record.status for record in jobs.list().records}
    assert listed == {status: JobStatus(status) for status in OLD_ROWS}
    for status in OLD_ROWS:
        assert len(jobs.events(status)) == 2
        assert len(jobs.attempts(status)) == 1
    assert sorted(leases.reap()) == [("cancelling", "cancelled"), ("running", "queued")]
    assert leases.claim("queued", "w") is not None
    assert jobs.request_pause("queued").status is JobStatus.PAUSING
    jobs.delete("succeeded")
    assert jobs.events("succeeded") == []
    database.close()


def test_tags_of_older_jobs_get_the_status_of_their_job(database_url: str) -> None:
    database = Database(database_url)
    with database.schema_change() as connection:
        upgrade(connection, "0001")
    failed = "UPDATE jobs SET status = 'failed', finished_at = 1, reason_code = 'diverged'"
    tags = "INSERT INTO job_tags (job_id, tag) SELECT id, 'tag' FROM jobs"
    with database.write() as connection:
        for statement in (OLD_JOB, failed, OLD_JOB.replace("job_1", "job_2"), tags):
            connection.execute(text(statement))
    database.migrate()
    jobs = JobStore(database)

    def listed(status: JobStatus) -> list[str]:
        return [record.id for record in jobs.list([status], "tag").records]

    assert (listed(JobStatus.FAILED), listed(JobStatus.QUEUED)) == (["job_1"], ["job_2"])
    jobs.request_cancel("job_2")
    assert (listed(JobStatus.CANCELLED), listed(JobStatus.QUEUED)) == (["job_2"], [])
    database.close()


def test_concurrent_migrations_wait_for_each_other(database_url: str) -> None:
    program = (
        "import sys; from ridgeline.storage import Database\n"
        "print('ready', flush=True); sys.stdin.readline(); Database(sys.argv[1]).migrate()"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", program, database_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in starting:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in starting:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in starting]
    assert [process.returncode for process in starting] == [0, 0, 0], errors
    database = Database(database_url)
    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all()
    database.close()


def test_revisions_are_those_that_alembic_finds() -> None:
    """They are read from the file names, so that most processes need not import Alembic."""
    scripts = ScriptDirectory.from_config(config())
    assert [each.revision for each in scripts.walk_revisions()] == sorted(REVISIONS, reverse=True)


def test_migrated_database_is_current(database: Database) -> None:
    with database.read() as connection:
        assert is_current(connection)


def test_database_of_a_newer_release_is_rejected(
    database: Database, sql: Callable[..., list[Any]]
) -> None:
    sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabase, match="revision 9999"):
        database.migrate()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_missing_permission_fails_the_migration(database_url: str) -> None:
    schema = database_url.rpartition("%3D")[2]
    execute_on(database_url, "CREATE ROLE reader", f"GRANT USAGE ON SCHEMA {schema} TO reader")
    database = Database(database_url + "%20-crole%3Dreader")
    with pytest.raises(MigrationFailed, match=r"as they were\. permission denied for schema"):
        database.migrate()
    database.close()


def test_failed_migration_changes_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(database_url)

    def half(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("ridgeline.storage.database.upgrade", half)
        with pytest.raises(ZeroDivisionError):
            database.migrate()
    database.migrate()
    with database.read() as connection:
        assert "half" not in inspect(connection).get_table_names()
    database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_rebuilding_a_table_keeps_its_jobs_rows(
    database: Database,
    submit: Callable[..., str],
    sql: Callable[..., list[Any]],
    rows_in: Callable[..., int],
) -> None:
    """SQLite alters a table by dropping it, which would cascade to all rows of a job."""
    submit()
    with database.schema_change() as connection:
        connection.execute(text("CREATE TABLE copied AS SELECT * FROM jobs"))
        connection.execute(text("DROP TABLE jobs"))
        connection.execute(text("ALTER TABLE copied RENAME TO jobs"))
    assert rows_in("events") == 1
    assert sql("PRAGMA foreign_keys")[0][0] == 1
