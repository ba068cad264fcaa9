"""Pause and resume in every status, and the deadline of a paused job."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason, JobStatus
from ridgeline.storage import (
    Claim,
    Database,
    IllegalTransition,
    JobStore,
    LeaseStore,
    Outbox,
    UnknownJob,
)

Submit = Callable[..., str]
Start = Callable[..., Claim]
Row = Callable[..., EpochRow]
DAY = timedelta(days=1)


def sent(outbox: Outbox) -> list[str]:
    """Send all hints; returns their jobs."""
    taken = outbox.pending_dispatches()
    outbox.mark_dispatched([each.outbox_id for each in taken])
    return [each.job_id for each in taken]


class TestPause:
    def test_queued_job_is_paused_at_once(
        self, jobs: JobStore, leases: LeaseStore, submit: Submit
    ) -> None:
        job_id = submit()
        record = jobs.request_pause(job_id)
        assert record.status is JobStatus.PAUSED
        assert record.paused_at is not None
        assert leases.claim(job_id, "w") is None
        assert leases.claim_next("w") is None

    def test_running_job_is_paused_when_its_worker_releases_it(
        self, jobs: JobStore, leases: LeaseStore, start: Start, row: Row
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(1)], eta_s=1.0)
        assert jobs.request_pause(claim.job_id).status is JobStatus.PAUSING
        answer = leases.heartbeat(claim)
        assert answer is not None
        assert answer.status is JobStatus.PAUSING
        assert leases.release(claim, penalized=False) is JobStatus.PAUSED
        record = jobs.get(claim.job_id)
        assert record is not None
        assert (record.crash_count, record.drain_count, record.lease_owner) == (0, 0, None)
        assert record.progress_epoch == 1
        assert jobs.attempts(claim.job_id)[0].outcome == "paused"
        assert leases.heartbeat(claim) is None

    def test_repeated_pause_changes_nothing(
        self, jobs: JobStore, start: Start, submit: Submit
    ) -> None:
        for job_id in (submit(), start().job_id):
            first = jobs.request_pause(job_id)
            assert jobs.request_pause(job_id) == first

    def test_ended_job_cannot_be_paused(
        self, jobs: JobStore, leases: LeaseStore, start: Start, completed: EndReason
    ) -> None:
        claim = start()
        leases.finish(claim, JobStatus.SUCCEEDED, completed)
        with pytest.raises(IllegalTransition, match="succeeded and cannot be paused"):
            jobs.request_pause(claim.job_id)

    def test_cancelling_job_cannot_be_paused(self, jobs: JobStore, start: Start) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        for ask in (jobs.request_pause, jobs.request_resume):
            with pytest.raises(IllegalTransition, match="cancelling"):
                ask(claim.job_id)

    def test_unknown(self, jobs: JobStore) -> None:
        for ask in (jobs.request_pause, jobs.request_resume):
            with pytest.raises(UnknownJob):
                ask("job_x")

    def test_pausing_job_can_succeed(
        self, jobs: JobStore, leases: LeaseStore, start: Start, completed: EndReason
    ) -> None:
        claim = start()
        jobs.request_pause(claim.job_id)
        assert leases.finish(claim, JobStatus.SUCCEEDED, completed)

    def test_cancel_overrides_pause(
        self, jobs: JobStore, leases: LeaseStore, start: Start, submit: Submit
    ) -> None:
        claim, waiting = start(), submit()
        jobs.request_pause(claim.job_id)
        jobs.request_pause(waiting)
        assert jobs.request_cancel(claim.job_id).status is JobStatus.CANCELLING
        assert leases.release(claim, penalized=False) is JobStatus.CANCELLED
        cancelled = jobs.request_cancel(waiting)
        assert (cancelled.status, cancelled.paused_at) == (JobStatus.CANCELLED, None)


class TestWithoutItsWorker:
    """The worker of a pausing job dies."""

    def test_pausing_job_without_its_worker_is_paused(
        self, jobs: JobStore, leases: LeaseStore, start: Start, expire: Callable[[str], None]
    ) -> None:
        claim = start()
        jobs.request_pause(claim.job_id)
        expire(claim.job_id)
        assert leases.reap() == [(claim.job_id, JobStatus.PAUSED)]
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.crash_count == 1

    def test_pausing_job_fails_at_the_crash_cap(
        self, database: Database, jobs: JobStore, start: Start
    ) -> None:
        claim = start()
        jobs.request_pause(claim.job_id)
        strict = LeaseStore(database, crash_cap=1)
        assert strict.release(claim, penalized=True) is JobStatus.FAILED


class TestResume:
    def test_resumed_job_is_queued_with_a_hint(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, submit: Submit
    ) -> None:
        job_id = submit()
        jobs.request_pause(job_id)
        sent(outbox)
        record = jobs.request_resume(job_id)
        assert (record.status, record.paused_at) == (JobStatus.QUEUED, None)
        assert sent(outbox) == [job_id]
        assert leases.claim(job_id, "w") is not None

    def test_resume_leaves_a_job_that_is_not_paused(
        self, jobs: JobStore, outbox: Outbox, submit: Submit, start: Start
    ) -> None:
        for job_id in (submit(), start().job_id):
            sent(outbox)
            before = jobs.get(job_id)
            assert jobs.request_resume(job_id) == before
            assert sent(outbox) == []

    def test_resume_before_the_worker_releases_the_job(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, start: Start
    ) -> None:
        """The trainer was already stopped, so the job is queued, without a penalty."""
        claim = start()
        sent(outbox)
        jobs.request_pause(claim.job_id)
        assert jobs.request_resume(claim.job_id).status is JobStatus.RUNNING
        assert leases.release(claim, penalized=False) is JobStatus.QUEUED
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.crash_count == 0
        assert sent(outbox) == [claim.job_id]

    def test_ended_job_cannot_be_resumed(self, jobs: JobStore, submit: Submit) -> None:
        job_id = submit()
        jobs.request_cancel(job_id)
        with pytest.raises(IllegalTransition, match="cancelled and cannot be resumed"):
            jobs.request_resume(job_id)


class TestDeadline:
    @pytest.fixture
    def paused_a_day_ago(
        self, jobs: JobStore, leases: LeaseStore, start: Start, sql: Callable[..., list[Any]]
    ) -> str:
        """A job with a deadline in a minute, paused for a day."""
        claim = start(deadline_s=60.0)
        jobs.request_pause(claim.job_id)
        leases.release(claim, penalized=False)
        earlier = "UPDATE jobs SET paused_at = paused_at - :day, deadline_at = deadline_at - :day"
        sql(earlier, day=round(DAY.total_seconds() * 1000))
        return claim.job_id

    def test_deadline_does_not_pass_while_paused(
        self, leases: LeaseStore, paused_a_day_ago: str
    ) -> None:
        assert leases.reap() == []

    def test_pause_extends_the_deadline(
        self, jobs: JobStore, leases: LeaseStore, paused_a_day_ago: str
    ) -> None:
        jobs.request_resume(paused_a_day_ago)
        claim = leases.claim(paused_a_day_ago, "w")
        assert claim is not None
        assert claim.remaining_s == pytest.approx(60, abs=10)

    def test_job_without_deadline_gets_none(
        self, jobs: JobStore, leases: LeaseStore, submit: Submit
    ) -> None:
        job_id = submit()
        jobs.request_pause(job_id)
        assert jobs.request_resume(job_id).deadline_at is None

    def test_deadline_passes_while_the_job_waits_for_a_retry(
        self, jobs: JobStore, leases: LeaseStore, start: Start, sql: Callable[..., list[Any]]
    ) -> None:
        """With all workers down, no claim would detect the deadline."""
        claim = start(deadline_s=60.0)
        leases.release(claim, penalized=False)
        assert leases.reap() == []
        sql("UPDATE jobs SET deadline_at = deadline_at - 60000")
        assert leases.reap() == [(claim.job_id, JobStatus.FAILED)]
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.reason_code == "deadline_exceeded"


class TestClaimNext:
    def test_longest_waiting_job_is_claimed_first(
        self, leases: LeaseStore, submit: Submit, sql: Callable[..., list[Any]]
    ) -> None:
        younger, older = submit(), submit()
        sql("UPDATE jobs SET available_at = available_at - 1000 WHERE id = :id", id=older)
        claims = [leases.claim_next("w") for _ in range(3)]
        assert [each and each.job_id for each in claims] == [older, younger, None]
        assert [each and each.attempt for each in claims] == [1, 1, None]

    def test_job_in_backoff_is_not_claimed(self, leases: LeaseStore, start: Start) -> None:
        leases.release(start(), penalized=True)
        assert leases.claim_next("w") is None

    def test_each_job_is_claimed_by_one_worker(
        self, leases: LeaseStore, submit: Submit, together: Callable[..., list[Any]]
    ) -> None:
        job_ids = {submit() for _ in range(6)}
        claims = together(*[lambda: leases.claim_next("w")] * 8)
        claimed = [claim.job_id for claim in claims if claim is not None]
        assert len(claimed) == len(set(claimed))
        # A row that another worker is just taking is passed over: the next call finds it.
        while (claim := leases.claim_next("w")) is not None:
            claimed.append(claim.job_id)
        assert sorted(claimed) == sorted(job_ids)
