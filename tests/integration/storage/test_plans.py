"""SQLite finds what is asked for often by an index, however many jobs there are.

PostgreSQL plans by what it has counted, which a small table says nothing about.
"""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from ridgeline.api.job import JobStatus
from ridgeline.storage import Database, JobStore, LeaseStore, Outbox

Plans = Callable[[Callable[[], object]], list[str]]
TWO = [JobStatus.FAILED, JobStatus.CANCELLED]
LAST = "job_" + "f" * 32

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def plans(database: Database) -> Plans:
    """How SQLite runs the statements of a call, a line for each step."""

    def explain(call: Callable[[], object]) -> list[str]:
        seen: list[tuple[str, Any]] = []

        def remember(_c: object, _cursor: object, statement: str, parameters: Any, *_: Any) -> None:
            seen.append((statement, parameters))

        event.listen(database._engine, "before_cursor_execute", remember)
        call()
        event.remove(database._engine, "before_cursor_execute", remember)
        with database.read() as connection:
            return [
                str(step[-1])
                for statement, parameters in seen
                if statement.startswith(("SELECT", "UPDATE"))
                for step in connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
            ]

    return explain


@pytest.mark.parametrize("after", [None, LAST])
@pytest.mark.parametrize("status", [None, [JobStatus.QUEUED], TWO])
@pytest.mark.parametrize("tag", [None, "tag"])
def test_page_walks_indexes(
    jobs: JobStore,
    submit: Callable[..., str],
    plans: Plans,
    status: list[JobStatus] | None,
    tag: str | None,
    after: str | None,
) -> None:
    submit(tags=("tag",))
    steps = plans(lambda: jobs.list(status, tag, after=after))
    filtered = tag or status
    table, index = ("job_tags", "tag_status_job_id") if tag else ("jobs", "status_id")
    walks = [step for step in steps if f"INDEX ix_{table}_{index}" in step]
    assert len(walks) == (len(status or JobStatus) if filtered else 0)
    assert all("COVERING" in step for step in walks), steps
    assert not any(step == "SCAN jobs" for step in steps), steps


def test_loops_never_scan_queued_jobs(
    leases: LeaseStore, outbox: Outbox, submit: Callable[..., str], plans: Plans
) -> None:
    submit()
    reaping = plans(leases.reap)
    assert "SEARCH jobs USING INDEX ix_jobs_status_id (status=?)" in reaping  # those that are held
    by_deadline = "ix_jobs_queued_deadline (status=? AND deadline_at<?)"
    assert any(by_deadline in step for step in reaping), reaping
    counting = plans(outbox.claimable)
    assert any("COVERING INDEX ix_jobs_queued (status=? AND" in step for step in counting), counting


def test_claim_takes_the_first_job_of_the_index(
    leases: LeaseStore, submit: Callable[..., str], plans: Plans
) -> None:
    submit()
    steps = plans(lambda: leases.claim_next("worker"))
    assert len([step for step in steps if "INDEX ix_jobs_queued (status=? AND" in step]) == 2
    assert not any("TEMP B-TREE" in step for step in steps), steps


def test_heartbeat_changes_no_indexed_column(database: Database) -> None:
    """PostgreSQL can then update the row in place."""
    with database.read() as connection:
        found = connection.execute(text("SELECT sql FROM sqlite_schema WHERE type = 'index'"))
        indexes = [sql for (sql,) in found if sql and "ON jobs " in sql]
    assert indexes
    assert not any("lease_expires_at" in sql for sql in indexes)
