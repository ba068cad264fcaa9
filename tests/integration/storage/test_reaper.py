"""Jobs whose worker stops sending heartbeats."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from ridgeline.api.job import JobStatus
from ridgeline.storage import (
    Claim,
    Database,
    DatabaseUnavailable,
    JobRecord,
    JobStore,
    LeaseStore,
    Outbox,
)
from ridgeline.storage.tables import jobs as jobs_table


@pytest.fixture
def record(jobs: JobStore) -> Callable[[str], JobRecord]:
    def get(job_id: str) -> JobRecord:
        record = jobs.get(job_id)
        assert record is not None
        return record

    return get


@pytest.fixture
def past_deadline(sql: Callable[..., list[Any]]) -> Callable[[str, float], None]:
    """Move a job's deadline the given seconds into the past."""

    def put(job_id: str, seconds: float) -> None:
        sql(
            "UPDATE jobs SET deadline_at = lease_expires_at - 30000 - :ms WHERE id = :id",
            ms=round(seconds * 1000),
            id=job_id,
        )

    return put


def test_valid_lease_is_not_reaped(leases: LeaseStore, start: Any, submit: Any) -> None:
    start()
    submit()
    assert leases.reap() == []


def test_expired_lease_counts_as_a_crash(
    jobs: JobStore, leases: LeaseStore, outbox: Outbox, start: Any, expire: Any, record: Any
) -> None:
    claim = start()
    outbox.mark_dispatched([each.outbox_id for each in outbox.pending_dispatches()])
    expire(claim.job_id)
    assert leases.reap() == [(claim.job_id, JobStatus.QUEUED)]
    assert leases.reap() == []
    found = record(claim.job_id)
    (attempt,) = jobs.attempts(claim.job_id)
    assert (found.crash_count, found.lease_owner, found.version) == (1, None, 3)
    assert attempt.outcome == "lease_expired"
    assert found.available_at - attempt.ended_at == pytest.approx(
        timedelta(seconds=2), abs=timedelta(milliseconds=200)
    )
    last = jobs.events(claim.job_id)[-1]
    assert (last.before, last.after) == (JobStatus.RUNNING, JobStatus.QUEUED)


def test_hint_for_the_next_attempt_waits_for_the_backoff(
    leases: LeaseStore, outbox: Outbox, start: Any, expire: Any, sql: Any
) -> None:
    claim = start()
    outbox.mark_dispatched([each.outbox_id for each in outbox.pending_dispatches()])
    expire(claim.job_id)
    leases.reap()
    assert outbox.pending_dispatches() == []
    sql("UPDATE outbox SET available_at = available_at - 2100")
    assert [each.job_id for each in outbox.pending_dispatches()] == [claim.job_id]


def test_backoff_doubles_up_to_the_crash_cap(
    jobs: JobStore, database: Database, submit: Any, expire: Any, make_available: Any, record: Any
) -> None:
    leases = LeaseStore(database, crash_cap=4, jitter=lambda: 0.5)
    job_id = submit()
    waits = []
    for _ in range(3):
        assert leases.claim(job_id, "w") is not None
        expire(job_id)
        assert leases.reap() == [(job_id, JobStatus.QUEUED)]
        ended_at = jobs.attempts(job_id)[-1].ended_at
        waits.append((record(job_id).available_at - ended_at).total_seconds())
        make_available(job_id)
    assert waits == pytest.approx([2.5, 5.0, 10.0], abs=0.2)
    leases.claim(job_id, "w")
    expire(job_id)
    assert leases.reap() == [(job_id, JobStatus.FAILED)]
    found = record(job_id)
    assert (found.reason_code, found.crash_count, found.attempt) == ("crash_loop", 4, 4)
    assert found.reason_detail == (
        "4 attempts failed; the last: its worker sent no heartbeat until the lease expired."
    )
    assert jobs.attempts(job_id)[-1].outcome == "lease_expired"


def test_drains_do_not_count_towards_the_crash_cap(
    leases: LeaseStore, submit: Any, expire: Any
) -> None:
    job_id = submit()
    for _ in range(5):
        claim = leases.claim(job_id, "w")
        assert claim is not None
        leases.release(claim, penalized=False)
    leases.claim(job_id, "w")
    expire(job_id)
    assert leases.reap() == [(job_id, JobStatus.QUEUED)]


def test_cancelling_job_is_cancelled(
    jobs: JobStore, leases: LeaseStore, start: Any, expire: Any, record: Any
) -> None:
    claim = start()
    jobs.request_cancel(claim.job_id)
    expire(claim.job_id)
    assert leases.reap() == [(claim.job_id, JobStatus.CANCELLED)]
    assert record(claim.job_id).reason_code == "cancelled_by_user"


class TestDeadline:
    def test_expired_lease_after_the_deadline_fails_the_job(
        self, leases: LeaseStore, start: Any, expire: Any, record: Any, past_deadline: Any
    ) -> None:
        claim = start()
        past_deadline(claim.job_id, 1)
        expire(claim.job_id)
        assert leases.reap() == [(claim.job_id, JobStatus.FAILED)]
        assert record(claim.job_id).reason_code == "deadline_exceeded"

    def test_live_worker_has_one_lease_after_the_deadline(
        self, leases: LeaseStore, start: Any, record: Any, past_deadline: Any
    ) -> None:
        claim: Claim = start()
        past_deadline(claim.job_id, 20)
        assert leases.reap() == []
        past_deadline(claim.job_id, 31)
        assert leases.reap() == [(claim.job_id, JobStatus.FAILED)]
        assert record(claim.job_id).reason_code == "deadline_exceeded"
        assert leases.heartbeat(claim) is None

    def test_cancel_takes_precedence_over_the_deadline(
        self, jobs: JobStore, leases: LeaseStore, start: Any, past_deadline: Any
    ) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        past_deadline(claim.job_id, 31)
        assert leases.reap() == [(claim.job_id, JobStatus.CANCELLED)]


def test_reaps_at_most_the_limit(leases: LeaseStore, start: Any, expire: Any) -> None:
    claims = [start() for _ in range(3)]
    for claim in claims:
        expire(claim.job_id)
    assert len(leases.reap(limit=2)) == 2
    assert len(leases.reap(limit=2)) == 1


def test_slow_database_reaps_no_job(
    database: Database, leases: LeaseStore, start: Any, expire: Any, record: Any
) -> None:
    """The workers could not send heartbeats either."""
    claim = start()
    expire(claim.job_id)
    locked, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as connection:
            if not database.is_sqlite:
                connection.exec_driver_sql("LOCK TABLE jobs")
            locked.set()
            may_go.wait(0.4)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(10)
    with pytest.raises(DatabaseUnavailable, match="to respond to the reaper"):
        leases.reap(deadline_grace_s=0.2)
    holder.join()
    assert record(claim.job_id).status is JobStatus.RUNNING
    assert leases.reap() == [(claim.job_id, JobStatus.QUEUED)]


def test_frozen_transaction_does_not_keep_a_job(
    postgresql_server: Callable[[], str],
    new_job: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL would wait for its next statement forever and keep the row locked."""
    monkeypatch.setattr("ridgeline.storage.database._IDLE_TRANSACTION_S", 0.3)
    frozen, others = (Database(url) for url in [postgresql_server()] * 2)
    frozen.migrate()
    job_id = JobStore(frozen).create(new_job()).record.id
    leases = LeaseStore(others)
    assert leases.claim(job_id, "frozen", lease_s=0.0) is not None

    def freeze_and_wake() -> None:
        change = update(jobs_table).values(version=9)
        with frozen.write() as connection:
            connection.execute(change)
            assert leases.reap() == []
            until = time.monotonic() + 5
            while not (reaped := leases.reap()):
                assert time.monotonic() < until
                time.sleep(0.02)
            assert reaped == [(job_id, JobStatus.QUEUED)]
            connection.execute(change)

    with pytest.raises(DatabaseUnavailable):
        freeze_and_wake()
    frozen.close()
    others.close()
