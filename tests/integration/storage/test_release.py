"""A job that a worker gives back: drained, or crashed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ridgeline.api.job import JobStatus
from ridgeline.storage import AttemptExit, Database, JobStore, LeaseStore, Outbox


class TestRelease:
    def test_a_drain_costs_nothing(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, start: Any
    ) -> None:
        claim = start()
        outbox.mark_dispatched([each.outbox_id for each in outbox.pending_dispatches()])
        assert leases.release(claim, penalised=False) is JobStatus.QUEUED
        record = jobs.get(claim.job_id)
        assert record is not None
        assert (record.crash_count, record.drain_count, record.lease_owner) == (0, 1, None)
        assert [each.job_id for each in outbox.pending_dispatches()] == [claim.job_id]
        assert jobs.attempts(claim.job_id)[0].reason == "drained"
        assert leases.claim(claim.job_id, "w") is not None

    def test_a_crash_waits_out_its_backoff(
        self, jobs: JobStore, leases: LeaseStore, outbox: Outbox, start: Any, make_available: Any
    ) -> None:
        claim = start()
        outbox.mark_dispatched([each.outbox_id for each in outbox.pending_dispatches()])
        exited = AttemptExit(signal=9)
        assert leases.release(claim, penalised=True, attempt_exit=exited) is JobStatus.QUEUED
        record = jobs.get(claim.job_id)
        assert record is not None
        (attempt,) = jobs.attempts(claim.job_id)
        assert (record.crash_count, record.drain_count) == (1, 0)
        assert (attempt.reason, attempt.exit_signal) == ("crashed", 9)
        assert attempt.ended_at is not None
        assert record.available_at - attempt.ended_at == pytest.approx(
            timedelta(seconds=2), abs=timedelta(milliseconds=200)
        )
        assert leases.claim(claim.job_id, "w") is None
        assert outbox.pending_dispatches() == []  # the hint waits as well

    def test_a_delay_replaces_the_backoff(self, leases: LeaseStore, start: Any) -> None:
        claim = start()
        leases.release(claim, penalised=True, delay_s=0.0)
        assert leases.claim(claim.job_id, "w") is not None

    def test_the_third_crash_fails_the_job(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit()
        ends = []
        for _ in range(3):
            claim = leases.claim(job_id, "w")
            assert claim is not None
            ends.append(leases.release(claim, penalised=True, delay_s=0.0))
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
    def test_the_reason_tells_of_the_last_attempt(
        self, jobs: JobStore, database: Database, start: Any, ended: AttemptExit, words: str
    ) -> None:
        claim = start()
        LeaseStore(database, crash_cap=1).release(claim, penalised=True, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.reason_detail == f"1 attempt failed; the last: {words}"

    def test_killed_for_the_last_time_means_out_of_memory(
        self, jobs: JobStore, database: Database, start: Any
    ) -> None:
        claim, ended = start(), AttemptExit(signal=9)
        LeaseStore(database, crash_cap=1).release(claim, penalised=True, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        (attempt,) = jobs.attempts(claim.job_id)
        assert record is not None
        assert (record.reason_code, record.crash_count) == ("out_of_memory", 1)
        assert "(SIGKILL)" in (record.reason_detail or "")
        assert "batch_size" in (record.reason_detail or "")
        assert attempt.reason == "crashed"

    def test_a_reason_is_short_whatever_the_attempt_says(
        self, jobs: JobStore, database: Database, start: Any
    ) -> None:
        claim, ended = start(), AttemptExit(detail="x" * 10_000)
        LeaseStore(database, crash_cap=1).release(claim, penalised=True, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert len(record.reason_detail or "") < 2000

    @pytest.mark.parametrize("penalised", [True, False])
    def test_a_job_being_cancelled_is_cancelled(
        self, jobs: JobStore, leases: LeaseStore, start: Any, penalised: bool
    ) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        assert leases.release(claim, penalised=penalised) is JobStatus.CANCELLED

    def test_only_once(self, leases: LeaseStore, start: Any) -> None:
        claim = start()
        leases.release(claim, penalised=False)
        assert leases.release(claim, penalised=False) is None


class TestHandBack:
    """A claim that was committed, and whose worker never learned of it."""

    def test_what_its_worker_does_not_know_of_is_queued_again(
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

    def test_a_cancel_that_came_meanwhile_is_heeded(
        self, jobs: JobStore, leases: LeaseStore, start: Any
    ) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        leases.hand_back(claim.owner, besides=set())
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.status is JobStatus.CANCELLED
