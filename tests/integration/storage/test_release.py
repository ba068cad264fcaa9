"""Jobs that a worker releases: drained or crashed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus
from ridgeline.storage import AttemptExit, Claim, Database, JobStore, LeaseStore, Outbox


class TestRelease:
    def test_drain_is_not_penalized(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, start: Any
    ) -> None:
        claim = start()
        outbox.mark_dispatched([each.outbox_id for each in outbox.pending_dispatches()])
        assert leases.release(claim, penalized=False) is JobStatus.QUEUED
        record = jobs.get(claim.job_id)
        assert record is not None
        assert (record.crash_count, record.drain_count, record.lease_owner) == (0, 1, None)
        assert [each.job_id for each in outbox.pending_dispatches()] == [claim.job_id]
        assert jobs.attempts(claim.job_id)[0].outcome == "drained"
        assert leases.claim(claim.job_id, "w") is not None

    def test_crash_waits_for_its_backoff(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, start: Any, make_available: Any
    ) -> None:
        claim = start()
        outbox.mark_dispatched([each.outbox_id for each in outbox.pending_dispatches()])
        exited = AttemptExit(signal=9)
        assert leases.release(claim, penalized=True, attempt_exit=exited) is JobStatus.QUEUED
        record = jobs.get(claim.job_id)
        assert record is not None
        (attempt,) = jobs.attempts(claim.job_id)
        assert (record.crash_count, record.drain_count) == (1, 0)
        assert (attempt.outcome, attempt.exit_signal) == ("crashed", 9)
        assert attempt.ended_at is not None
        assert record.available_at - attempt.ended_at == pytest.approx(
            timedelta(seconds=2), abs=timedelta(milliseconds=200)
        )
        assert leases.claim(claim.job_id, "w") is None
        assert outbox.pending_dispatches() == []  # the hint waits as well

    def test_delay_replaces_the_backoff(self, leases: LeaseStore, start: Any) -> None:
        claim = start()
        leases.release(claim, penalized=True, delay_s=0.0)
        assert leases.claim(claim.job_id, "w") is not None

    def test_third_crash_fails_the_job(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit()
        ends = []
        for _ in range(3):
            claim = leases.claim(job_id, "w")
            assert claim is not None
            ends.append(leases.release(claim, penalized=True, delay_s=0.0))
        assert ends == [JobStatus.QUEUED, JobStatus.QUEUED, JobStatus.FAILED]
        record = jobs.get(job_id)
        assert record is not None
        assert (record.reason_code, record.crash_count) == ("crash_loop", 3)

    @pytest.mark.parametrize(
        ("ended", "words"),
        [
            (AttemptExit(), "its process died."),
            (AttemptExit(code=1), "exit code 1."),
            (AttemptExit(signal=11), "killed by signal 11 (SIGSEGV)."),
            (AttemptExit(signal=250), "killed by signal 250."),
            (AttemptExit(detail="It hung."), "It hung."),
            (AttemptExit(signal=6, detail="No word."), "killed by signal 6 (SIGABRT), No word."),
        ],
    )
    def test_reason_describes_the_last_attempt(
        self, jobs: JobStore, database: Database, start: Any, ended: AttemptExit, words: str
    ) -> None:
        claim = start()
        LeaseStore(database, crash_cap=1).release(claim, penalized=True, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.reason_detail == f"1 attempt failed; the last: {words}"

    def test_last_sigkill_means_out_of_memory(
        self, jobs: JobStore, database: Database, start: Any
    ) -> None:
        claim, ended = start(), AttemptExit(signal=9)
        LeaseStore(database, crash_cap=1).release(claim, penalized=True, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        (attempt,) = jobs.attempts(claim.job_id)
        assert record is not None
        assert (record.reason_code, record.crash_count) == ("out_of_memory", 1)
        assert "(SIGKILL)" in (record.reason_detail or "")
        assert "batch_size" in (record.reason_detail or "")
        assert attempt.outcome == "crashed"

    def test_long_detail_is_cut(self, jobs: JobStore, database: Database, start: Any) -> None:
        claim, ended = start(), AttemptExit(detail="x" * 10_000)
        LeaseStore(database, crash_cap=1).release(claim, penalized=True, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert len(record.reason_detail or "") < 2000

    @pytest.mark.parametrize("penalized", [True, False])
    def test_cancelling_job_is_cancelled(
        self, jobs: JobStore, leases: LeaseStore, start: Any, penalized: bool
    ) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        assert leases.release(claim, penalized=penalized) is JobStatus.CANCELLED

    def test_job_is_released_only_once(self, leases: LeaseStore, start: Any) -> None:
        claim = start()
        leases.release(claim, penalized=False)
        assert leases.release(claim, penalized=False) is None


class TestHandBack:
    """A committed claim whose worker never received the reply."""

    def test_job_unknown_to_its_worker_is_queued_again(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        known, lost, others = submit(), submit(), submit()
        for job_id, owner in ((known, "me"), (lost, "me"), (others, "you")):
            assert leases.claim(job_id, owner) is not None
        assert leases.hand_back("me", besides={known}) == [lost]
        assert leases.hand_back("me", besides={known}) == []
        records = [jobs.get(job_id) for job_id in (known, lost, others)]
        expected = [JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.RUNNING]
        assert [record and record.status for record in records] == expected
        assert records[1] is not None
        assert (records[1].crash_count, records[1].drain_count) == (0, 1)

    def test_cancelling_job_unknown_to_its_worker_is_cancelled(
        self, jobs: JobStore, leases: LeaseStore, start: Any
    ) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        leases.hand_back(claim.owner, besides=set())
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.status is JobStatus.CANCELLED


def test_attempts_record_worker_outcome_and_measured_epochs(
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    make_available: Callable[[str], None],
) -> None:
    first = start()
    leases.record_epochs(first, [row(1), row(2), row(3)], eta_s=None)
    killed = AttemptExit(signal=9, detail="It was killed.")
    leases.release(first, penalized=True, attempt_exit=killed)
    make_available(first.job_id)
    second = leases.claim(first.job_id, "worker-2")
    assert second is not None
    leases.resume(second, [], until=2)
    leases.record_epochs(second, [row(3), row(4)], eta_s=None)
    crashed, running = jobs.attempts(first.job_id)
    assert (crashed.number, crashed.worker_id, crashed.outcome) == (1, "worker-1", "crashed")
    assert (crashed.exit_code, crashed.exit_signal, crashed.signal) == (None, 9, "SIGKILL")
    assert (crashed.reason, crashed.epochs) == ("It was killed.", 2)  # epoch 3 was replaced
    assert (running.number, running.worker_id, running.outcome) == (2, "worker-2", None)
    assert (running.ended_at, running.signal, running.epochs) == (None, None, 2)


def test_unknown_job_has_no_attempts(jobs: JobStore) -> None:
    assert jobs.attempts("job_nobody") == ()


class TestCrashesWithoutProgress:
    """The cap counts the crashes since the last new checkpoint."""

    @staticmethod
    def crash(leases: LeaseStore, job_id: str, reached: int = 0, resumed: int = 0) -> JobStatus:
        """One attempt: it resumes, has checkpoints recorded, and crashes."""
        claim = leases.claim(job_id, "w")
        assert claim is not None
        if resumed:
            rows = [EpochRow(epoch=n, values={}, penalty_by_layer={}, seconds=1) for n in (1, 2)]
            leases.resume(claim, rows[:resumed], resumed)
        if reached:
            assert leases.checkpointed(claim, reached)
        status = leases.release(claim, penalized=True, delay_s=0.0)
        assert status is not None
        return status

    def test_crashes_after_new_checkpoints_are_no_loop(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit()
        ends = [self.crash(leases, job_id, reached) for reached in (1, 2, 3, 5, 8)]
        assert ends == [JobStatus.QUEUED] * 5
        record = jobs.get(job_id)
        assert record is not None
        assert (record.crash_count, record.checkpoint_epoch, record.checkpoint_crashes) == (5, 8, 4)

    def test_cap_counts_from_the_last_new_checkpoint(
        self, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit()
        ends = [self.crash(leases, job_id, reached) for reached in (0, 0, 4, 0, 0)]
        assert ends == [JobStatus.QUEUED] * 4 + [JobStatus.FAILED]

    @pytest.mark.parametrize("reached", [2, 3])
    def test_checkpoint_that_is_no_further_resets_nothing(
        self, leases: LeaseStore, submit: Callable[..., str], reached: int
    ) -> None:
        """As of a job that starts again on another machine and crashes in the same epoch."""
        job_id = submit()
        ends = [self.crash(leases, job_id, epoch) for epoch in (3, reached, reached)]
        assert ends == [JobStatus.QUEUED, JobStatus.QUEUED, JobStatus.FAILED]

    def test_resuming_further_is_progress_of_the_attempt_before(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        """Whose worker was killed before it could report its checkpoint."""
        job_id = submit()
        ends = [self.crash(leases, job_id, resumed=epoch) for epoch in (0, 0, 2, 2)]
        assert ends == [JobStatus.QUEUED] * 3 + [JobStatus.FAILED]
        record = jobs.get(job_id)
        assert record is not None
        assert (record.crash_count, record.checkpoint_epoch, record.checkpoint_crashes) == (4, 2, 1)

    def test_backoff_counts_from_the_last_new_checkpoint(
        self, jobs: JobStore, leases: LeaseStore, start: Any, make_available: Any
    ) -> None:
        claim = start()
        for _ in range(4):
            assert leases.checkpointed(claim, claim.attempt)
            leases.release(claim, penalized=True)
            record = jobs.get(claim.job_id)
            assert record is not None
            ended_at = jobs.attempts(claim.job_id)[-1].ended_at
            assert ended_at is not None
            assert record.available_at - ended_at == pytest.approx(
                timedelta(seconds=2), abs=timedelta(milliseconds=200)
            )
            make_available(claim.job_id)
            following = leases.claim(claim.job_id, "w")
            assert following is not None
            claim = following

    def test_stale_claim_records_no_checkpoint(
        self, jobs: JobStore, leases: LeaseStore, start: Any
    ) -> None:
        stale = start()
        leases.release(stale, penalized=True, delay_s=0.0)
        assert not leases.checkpointed(stale, 3)
        assert leases.claim(stale.job_id, "w") is not None
        assert not leases.checkpointed(stale, 3)
        record = jobs.get(stale.job_id)
        assert record is not None
        assert record.checkpoint_epoch == 0
