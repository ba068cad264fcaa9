"""A job's log: ordered, bounded, and written only by the newest attempt."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason, JobStatus
from ridgeline.api.log import LogLevel, LogSource
from ridgeline.storage import (
    KEPT_LINES,
    Claim,
    Database,
    JobStore,
    LeaseStore,
    LogLine,
    LogStore,
    UnknownJob,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def logs(database: Database) -> LogStore:
    return LogStore(database)


def line(event: str, level: LogLevel = LogLevel.INFO) -> LogLine:
    return LogLine(NOW, level, LogSource.TRAINER, event, '{"a": 1}')


def test_lines_are_ordered_with_epochs_and_transitions(
    logs: LogStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    completed: EndReason,
) -> None:
    claim = start()
    leases.record_epochs(claim, [row(1)], None, [line("one"), line("two")])
    leases.finish(claim, JobStatus.SUCCEEDED, completed)
    leases.write_log(claim, [line("after the end")])
    records = logs.page(claim.job_id).records
    expected = ["transition", "transition", "one", "two", "transition", "after the end"]
    assert [record.event for record in records] == expected
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[1].fields == '{"before": "queued", "after": "running", "reason": null}'
    assert (records[2].at, records[2].attempt, records[2].fence) == (NOW, 1, 1)
    assert (records[2].level, records[2].source, records[2].fields) == (
        *("info", "trainer"),
        '{"a": 1}',
    )


def test_pages_and_levels(logs: LogStore, leases: LeaseStore, start: Callable[..., Claim]) -> None:
    claim = start()
    lines = [line(str(n), LogLevel.ERROR if n % 2 else LogLevel.DEBUG) for n in range(10)]
    leases.write_log(claim, lines)
    first = logs.page(claim.job_id, limit=7)
    assert [record.number for record in first.records] == [1, 2, 3, 4, 5, 6, 7]
    rest = logs.page(claim.job_id, first.next_after or 0, limit=7)
    assert ([record.event for record in rest.records], rest.next_after) == (list("56789"), None)
    worse = logs.page(claim.job_id, limit=3, levels=LogLevel.WARNING.and_above)
    assert [record.event for record in worse.records] == ["1", "3", "5"]
    assert worse.next_after == worse.records[-1].number
    assert logs.page(claim.job_id, after=12).records == ()


def test_long_log_drops_and_counts_its_oldest_lines(
    logs: LogStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    rows_in: Callable[..., int],
) -> None:
    claim = start()
    for first in (0, KEPT_LINES):
        leases.write_log(claim, [line(str(first + n)) for n in range(KEPT_LINES)])
    assert rows_in("log_lines", claim.job_id) == KEPT_LINES
    found = logs.page(claim.job_id, limit=1)
    assert (found.dropped, found.records[0].event) == (KEPT_LINES + 2, str(KEPT_LINES))


def test_stale_fence_writes_no_lines(
    logs: LogStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
) -> None:
    old = start()
    leases.release(old, penalized=False)
    assert leases.write_log(old, [line("still the newest fence")]) is not None
    new = leases.claim(old.job_id, "another")
    assert new is not None
    assert leases.write_log(old, [line("late")]) is None
    assert leases.record_epochs(old, [row(1)], None, [line("late")]) is None
    events = [record.event for record in logs.page(old.job_id).records]
    assert "still the newest fence" in events
    assert "late" not in events


def test_log_is_deleted_with_its_job(
    logs: LogStore,
    leases: LeaseStore,
    jobs: JobStore,
    start: Callable[..., Claim],
    completed: EndReason,
    rows_in: Callable[..., int],
) -> None:
    claim = start()
    leases.finish(claim, JobStatus.SUCCEEDED, completed)
    jobs.delete(claim.job_id)
    assert leases.write_log(claim, [line("late")]) is None
    assert rows_in("log_lines") == 0
    with pytest.raises(UnknownJob):
        logs.page(claim.job_id)
