"""The figures, whose cost does not depend on the number of ended jobs."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from ridgeline.api.job import EndReason, JobStatus
from ridgeline.storage import Claim, Database, FigureStore, LeaseStore, WorkerStore
from ridgeline.storage.records.workers import WAITING


@pytest.fixture
def figures(database: Database) -> FigureStore:
    return FigureStore(database)


def test_figures_describe_the_current_state(
    figures: FigureStore,
    submit: Callable[..., str],
    start: Callable[..., Claim],
    leases: LeaseStore,
    completed: EndReason,
    sql: Callable[..., list[Any]],
) -> None:
    assert (figures.read().oldest_wait_s, figures.read().outbox) == (0, 0)
    leases.finish(start(), JobStatus.SUCCEEDED, completed)
    start()
    waiting, later = submit(), submit()
    sql("UPDATE jobs SET available_at = available_at - 90000 WHERE id = :id", id=waiting)
    sql("UPDATE jobs SET available_at = available_at + 90000 WHERE id = :id", id=later)
    found = figures.read()
    assert {status: count for status, count in found.jobs.items() if count} == {
        JobStatus.QUEUED: 2,
        JobStatus.RUNNING: 1,
    }
    assert set(found.jobs) == set(WAITING)
    assert 90 <= found.oldest_wait_s < 150
    assert found.outbox == 4


def test_figures_never_scan_ended_jobs(
    database: Database, submit: Callable[..., str], sql: Callable[..., list[Any]]
) -> None:
    """Every statement on jobs uses an index by status or of queued jobs."""
    submit()
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " jobs" in statement:
            asked.append((statement, parameters))

    event.listen(database._engine, "before_cursor_execute", note)
    FigureStore(database).read()
    WorkerStore(database).list()
    event.remove(database._engine, "before_cursor_execute", note)
    assert len(asked) == 4
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    for statement, parameters in asked:
        with database.read() as connection:
            if not database.is_sqlite:  # a table of one row is read whole
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            rows = connection.exec_driver_sql(explain + statement, parameters).all()
        plan = " ".join(str(each) for row in rows for each in row)
        assert "ix_jobs_status_id" in plan or "ix_jobs_queued" in plan, plan
        assert "Seq Scan" not in plan, plan
        assert "SCAN jobs" not in plan, plan
