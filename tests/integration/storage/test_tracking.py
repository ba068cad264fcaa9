"""Jobs that an MLflow server does not have completely, and the workers that report them."""

from collections.abc import Callable
from typing import Any

import pytest

from ridgeline.api.job import EndReason, JobStatus
from ridgeline.storage import (
    Claim,
    Database,
    DatabaseUnavailable,
    JobStore,
    LeaseStore,
    TrackedJob,
    TrackingStore,
)

SQL = Callable[..., list[Any]]
HOLD_S = 20.0


@pytest.fixture
def leases(database: Database) -> LeaseStore:
    """The leases of workers that track jobs."""
    return LeaseStore(database, experiment="ridgeline")


@pytest.fixture
def mine(database: Database) -> TrackingStore:
    """The worker that start() claims as."""
    return TrackingStore(database, "worker-1", HOLD_S)


@pytest.fixture
def other(database: Database) -> TrackingStore:
    return TrackingStore(database, "worker-2", HOLD_S)


def let_time_pass(sql: SQL, seconds: float) -> None:
    sql("UPDATE tracked_jobs SET held_until = held_until - :ms", ms=seconds * 1000)


def newest_event(jobs: JobStore, job_id: str) -> int:
    return jobs.events(job_id)[-1].id


class TestClaims:
    def test_claiming_worker_holds_the_tracked_job(
        self, start: Callable[..., Claim], mine: TrackingStore, other: TrackingStore, sql: SQL
    ) -> None:
        claim = start()
        assert (other.due(10), other.take(claim.job_id)) == ([], None)
        assert mine.due(10) == [claim.job_id]
        assert mine.take(claim.job_id) == TrackedJob(claim.job_id, "ridgeline", None, 0)
        let_time_pass(sql, HOLD_S + 15)
        assert other.due(10) == [claim.job_id]

    def test_without_an_experiment_nothing_is_tracked(
        self, database: Database, submit: Callable[..., str], rows_in: Callable[..., int]
    ) -> None:
        assert LeaseStore(database).claim(submit(), "worker-1") is not None
        assert LeaseStore(database).claim_next("worker-1") is None
        assert rows_in("tracked_jobs") == 0

    def test_next_attempt_keeps_run_and_last_event(
        self, start: Callable[..., Claim], leases: LeaseStore, mine: TrackingStore
    ) -> None:
        claim = start()
        mine.take(claim.job_id)
        assert mine.note(claim.job_id, "run", 2)
        leases.release(claim, penalized=False)
        assert leases.claim_next("worker-2") is not None
        assert mine.take(claim.job_id) == TrackedJob(claim.job_id, "ridgeline", "run", 2)

    def test_uncommitted_claim_tracks_nothing(
        self,
        leases: LeaseStore,
        submit: Callable[..., str],
        rows_in: Callable[..., int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(*_: object) -> None:
            raise DatabaseUnavailable

        job_id = submit()
        with monkeypatch.context() as patch:
            patch.setattr("ridgeline.storage.records.leases.track", fail)
            with pytest.raises(DatabaseUnavailable):
                leases.claim(job_id, "worker-1")
        assert rows_in("tracked_jobs") == rows_in("attempts") == 0


class TestDue:
    def test_job_is_due_until_all_events_are_sent(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        start: Callable[..., Claim],
        row: Callable[..., Any],
        mine: TrackingStore,
    ) -> None:
        claim = start()
        mine.take(claim.job_id)
        assert mine.note(claim.job_id, "run", newest_event(jobs, claim.job_id))
        assert mine.due(10) == []
        leases.record_epochs(claim, [row(1)], None)
        assert mine.due(10) == [claim.job_id]

    def test_ended_job_is_due_until_its_end_is_sent(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        start: Callable[..., Claim],
        completed: EndReason,
        mine: TrackingStore,
    ) -> None:
        claim = start()
        leases.finish(claim, JobStatus.SUCCEEDED, completed)
        mine.take(claim.job_id)
        assert mine.note(claim.job_id, "run", newest_event(jobs, claim.job_id))
        assert mine.due(10) == [claim.job_id]
        assert mine.strike_out(claim.job_id)
        assert mine.due(10) == []
        assert not mine.strike_out(claim.job_id)

    def test_deleted_job_is_due(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        start: Callable[..., Claim],
        completed: EndReason,
        mine: TrackingStore,
    ) -> None:
        claim = start()
        leases.finish(claim, JobStatus.SUCCEEDED, completed)
        jobs.delete(claim.job_id)
        assert mine.due(10) == [claim.job_id]

    def test_postponed_job_is_not_due(
        self,
        start: Callable[..., Claim],
        mine: TrackingStore,
        other: TrackingStore,
        sql: SQL,
    ) -> None:
        first, second = start().job_id, start().job_id
        mine.take(first)
        assert mine.put_off(first, 60)
        assert (mine.due(10), other.due(10)) == ([second], [])
        let_time_pass(sql, 61)
        assert set(other.due(10)) == {first, second}
        assert len(other.due(1)) == 1


class TestTaking:
    def test_one_of_many_workers_reserves_a_job(
        self,
        database: Database,
        start: Callable[..., Claim],
        mine: TrackingStore,
        together: Callable[..., list[Any]],
    ) -> None:
        job_id = start().job_id
        mine.take(job_id)
        mine.put_off(job_id, 0)
        stores = [TrackingStore(database, f"worker-{number}", HOLD_S) for number in range(8)]
        taken = together(*(lambda store=store: store.take(job_id) for store in stores))
        assert sum(each is not None for each in taken) == 1

    def test_worker_that_lost_a_job_changes_nothing(
        self, start: Callable[..., Claim], mine: TrackingStore, other: TrackingStore, sql: SQL
    ) -> None:
        job_id = start().job_id
        mine.take(job_id)
        let_time_pass(sql, HOLD_S + 1)
        assert other.take(job_id) is not None
        assert not mine.note(job_id, "mine", 9)
        assert not mine.put_off(job_id, 1)
        assert not mine.strike_out(job_id)
        mine.let_go()
        assert mine.take(job_id) is None
        assert other.take(job_id) == TrackedJob(job_id, "ridgeline", None, 0)

    def test_note_renews_the_hold(
        self, start: Callable[..., Claim], mine: TrackingStore, other: TrackingStore, sql: SQL
    ) -> None:
        job_id = start().job_id
        mine.take(job_id)
        let_time_pass(sql, HOLD_S - 1)
        assert mine.note(job_id, "run", 0)
        let_time_pass(sql, HOLD_S - 1)
        assert other.take(job_id) is None

    def test_released_jobs_are_available_at_once(
        self, start: Callable[..., Claim], mine: TrackingStore, other: TrackingStore
    ) -> None:
        job_id = start().job_id
        mine.take(job_id)
        mine.let_go()
        assert other.take(job_id) is not None


def test_adopt_tracks_only_existing_jobs(
    start: Callable[..., Claim],
    submit: Callable[..., str],
    mine: TrackingStore,
    other: TrackingStore,
) -> None:
    """Jobs that are tracked already are unchanged."""
    tracked, untracked = start().job_id, submit()
    mine.take(tracked)
    mine.note(tracked, "run", 1)
    many = [f"job_{number:032x}" for number in range(700)]
    other.adopt([*many, untracked, tracked], "another")
    assert other.due(10) == [untracked]
    assert other.take(untracked) == TrackedJob(untracked, "another", None, 0)
    assert mine.take(tracked) == TrackedJob(tracked, "ridgeline", "run", 1)
