"""The writes of workers, allowed and rejected."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import (
    ArtifactRecord,
    AttemptExit,
    Claim,
    EventType,
    Idempotency,
    JobStore,
    LeaseStore,
    NonFiniteValue,
)
from tests.rig.stored import stored_epochs

UNKNOWN = "job_" + "0" * 32
MODEL = ArtifactRecord(
    name="model.keras", key="j/1/model.keras", bytes=3, sha256="a" * 64, media_type="x/y"
)
REPORT = ArtifactRecord(
    name="a-report", key="j/1/a-report", bytes=4, sha256="b" * 64, media_type="x/z"
)
BY_USER = EndReason(code=EndCode.CANCELLED_BY_USER, detail="Stopped.")


def reclaim(
    leases: LeaseStore, claim: Claim, expire: Callable[[str], None], available: Any
) -> Claim:
    """Let the claim's lease expire and another worker claim the job."""
    expire(claim.job_id)
    leases.reap()
    available(claim.job_id)
    newer = leases.claim(claim.job_id, "worker-2")
    assert newer is not None
    return newer


REPORTED = '{"verdict": "good"}'


def test_job_is_claimable_until_it_is_claimed(
    leases: LeaseStore, submit: Callable[..., str]
) -> None:
    assert not leases.any_claimable()
    submit()
    assert leases.any_claimable()
    assert leases.claim_next("worker") is not None
    assert not leases.any_claimable()


class TestReport:
    def test_report_is_stored_with_the_end(
        self, jobs: JobStore, leases: LeaseStore, start: Callable[..., Claim]
    ) -> None:
        claim = start()
        assert jobs.report(claim.job_id) is None
        reason = EndReason(code=EndCode.DIVERGED, detail="NaN")
        assert leases.finish(claim, JobStatus.FAILED, reason, report=REPORTED)
        assert jobs.report(claim.job_id) == REPORTED
        # The answer was lost, and the worker asks again.
        assert leases.finish(claim, JobStatus.FAILED, reason, report='{"verdict": "other"}')
        assert jobs.report(claim.job_id) == REPORTED

    def test_report_under_a_stale_fence_is_not_stored(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        start: Callable[..., Claim],
        expire: Callable[[str], None],
        make_available: Callable[[str], None],
    ) -> None:
        claim = start()
        reclaim(leases, claim, expire, make_available)
        reason = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
        assert not leases.finish(claim, JobStatus.SUCCEEDED, reason, report=REPORTED)
        assert jobs.report(claim.job_id) is None

    def test_report_is_deleted_with_its_job(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        start: Callable[..., Claim],
        rows_in: Callable[..., int],
    ) -> None:
        claim = start()
        leases.finish(claim, JobStatus.CANCELLED, BY_USER, report=REPORTED)
        # A job that runs is cancelled only once it was told to: this write is refused.
        assert rows_in("reports") == 0
        reason = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
        assert leases.finish(claim, JobStatus.SUCCEEDED, reason, report=REPORTED)
        assert rows_in("reports") == 1
        jobs.delete(claim.job_id)
        assert rows_in("reports") == 0


class TestClaim:
    def test_claim_makes_the_job_running(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit(resolved='{"x": 1}')
        claim = leases.claim(job_id, "worker-1", lease_s=20.0)
        record = jobs.get(job_id)
        assert claim is not None
        assert record is not None
        assert (claim.attempt, claim.fence, claim.resolved) == (1, 1, '{"x": 1}')
        assert (claim.deadline_at, claim.remaining_s) == (None, None)
        assert (record.status, record.lease_owner) == (JobStatus.RUNNING, "worker-1")
        assert record.started_at is not None
        assert record.lease_expires_at == record.started_at + timedelta(seconds=20)

    def test_job_is_claimed_only_once(
        self, leases: LeaseStore, start: Callable[..., Claim]
    ) -> None:
        assert leases.claim(start().job_id, "worker-2") is None

    def test_unknown_or_ended_job_cannot_be_claimed(
        self, jobs: JobStore, leases: LeaseStore, submit: Callable[..., str]
    ) -> None:
        job_id = submit()
        jobs.request_cancel(job_id)
        assert leases.claim(job_id, "w") is None
        assert leases.claim(UNKNOWN, "w") is None

    def test_job_in_backoff_cannot_be_claimed(
        self, leases: LeaseStore, submit: Callable[..., str], sql: Any, make_available: Any
    ) -> None:
        job_id = submit()
        sql("UPDATE jobs SET available_at = available_at + 60000 WHERE id = :id", id=job_id)
        assert leases.claim(job_id, "w") is None
        make_available(job_id)
        assert leases.claim(job_id, "w") is not None

    def test_cancelled_job_cannot_be_claimed(
        self, leases: LeaseStore, submit: Callable[..., str], sql: Any
    ) -> None:
        job_id = submit()
        sql("UPDATE jobs SET cancel_requested_at = 1 WHERE id = :id", id=job_id)
        assert leases.claim(job_id, "w") is None

    def test_deadline_starts_at_the_first_claim(
        self, jobs: JobStore, leases: LeaseStore, start: Any, make_available: Any
    ) -> None:
        first = start(deadline_s=100.5)
        record = jobs.get(first.job_id)
        assert record is not None
        assert record.started_at is not None
        assert first.deadline_at == record.started_at + timedelta(seconds=100.5)
        assert first.remaining_s == 100.5
        leases.release(first, penalized=False)
        second = leases.claim(first.job_id, "w")
        assert second is not None
        assert second.deadline_at == first.deadline_at
        assert second.remaining_s is not None
        assert second.remaining_s <= 100.5
        again = jobs.get(first.job_id)
        assert again is not None
        assert again.started_at == record.started_at

    def test_epochs_stay_until_the_new_attempt_reports(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        first = start()
        leases.record_epochs(first, [row(1), row(2)], eta_s=3.0)
        leases.release(first, penalized=False)
        second = leases.claim(first.job_id, "w")
        assert second is not None
        assert (second.attempt, second.fence) == (2, 2)
        record = jobs.get(first.job_id)
        assert record is not None
        assert (record.progress_epoch, record.eta_s) == (2, None)
        assert stored_epochs(jobs, first.job_id) == [row(1), row(2)]


class TestHeartbeat:
    def test_heartbeat_extends_the_lease(
        self, jobs: JobStore, leases: LeaseStore, start: Any, expire: Any
    ) -> None:
        claim = start()
        expire(claim.job_id)
        answer = leases.heartbeat(claim, lease_s=50.0)
        assert answer is not None
        assert answer.status is JobStatus.RUNNING
        assert leases.reap() == []  # a late beat revives
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.started_at is not None
        assert record.lease_expires_at is not None
        assert record.lease_expires_at >= record.started_at + timedelta(seconds=50)

    def test_heartbeat_for_an_ended_job_returns_none(
        self, leases: LeaseStore, start: Any, completed: EndReason
    ) -> None:
        claim = start()
        leases.finish(claim, JobStatus.SUCCEEDED, completed)
        assert leases.heartbeat(claim) is None

    def test_heartbeat_for_a_released_job_returns_none(
        self, leases: LeaseStore, start: Any
    ) -> None:
        claim = start()
        leases.release(claim, penalized=False)
        assert leases.heartbeat(claim) is None


class TestStaleFence:
    """A worker that has lost the job changes nothing, even while another holds it."""

    @pytest.fixture
    def pair(
        self, leases: LeaseStore, start: Any, expire: Any, make_available: Any
    ) -> tuple[Claim, Claim]:
        stale = start()
        return stale, reclaim(leases, stale, expire, make_available)

    @pytest.mark.parametrize(
        "write",
        [
            lambda leases, stale, row, end: leases.heartbeat(stale, 999.0),
            lambda leases, stale, row, end: leases.record_epochs(stale, [row(1)], 1.0),
            lambda leases, stale, row, end: leases.resume(stale, [row(1)], 1),
            lambda leases, stale, row, end: leases.finish(
                stale, JobStatus.SUCCEEDED, end, artifacts=[MODEL]
            ),
            lambda leases, stale, row, end: leases.finish(stale, JobStatus.FAILED, end),
            lambda leases, stale, row, end: leases.release(stale, penalized=True),
            lambda leases, stale, row, end: leases.release(stale, penalized=False),
        ],
    )
    def test_stale_fence_changes_nothing(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        pair: tuple[Claim, Claim],
        row: Any,
        completed: EndReason,
        write: Callable[..., Any],
        rows_in: Any,
    ) -> None:
        stale, newer = pair
        before = (jobs.get(newer.job_id), jobs.events(newer.job_id), jobs.attempts(newer.job_id))
        assert not write(leases, stale, row, completed)
        after = (jobs.get(newer.job_id), jobs.events(newer.job_id), jobs.attempts(newer.job_id))
        assert after == before
        assert stored_epochs(jobs, newer.job_id) == []
        assert rows_in("artifacts") == 0
        assert leases.heartbeat(newer) is not None


class TestRecordEpochs:
    def test_epoch_rows_are_returned_unchanged(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        claim = start()
        rows = [row(1), row(2, loss=None)]
        answer = leases.record_epochs(claim, rows, eta_s=12.5)
        assert answer is not None
        assert answer.status is JobStatus.RUNNING
        assert stored_epochs(jobs, claim.job_id) == rows
        record = jobs.get(claim.job_id)
        assert record is not None
        assert (record.progress_epoch, record.eta_s) == (2, 12.5)
        assert record.progress_at is not None

    def test_repeated_call_changes_nothing(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(1)], eta_s=None)
        leases.record_epochs(claim, [row(1, loss=9.0), row(2)], eta_s=None)
        assert stored_epochs(jobs, claim.job_id) == [row(1), row(2)]
        kinds = [event.type for event in jobs.events(claim.job_id)]
        assert kinds.count(EventType.EPOCH) == 2

    def test_attempt_from_scratch_replaces_earlier_epochs(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Any
    ) -> None:
        first = start()
        leases.record_epochs(first, [row(1, loss=9.0), row(2), row(3)], eta_s=None)
        leases.release(first, penalized=False)
        second = leases.claim(first.job_id, "w")
        assert second is not None
        leases.record_epochs(second, [row(1)], eta_s=None)
        assert stored_epochs(jobs, first.job_id) == [row(1)]
        record = jobs.get(first.job_id)
        assert record is not None
        assert record.progress_epoch == 1

    def test_metrics_are_those_of_the_last_epoch(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Any
    ) -> None:
        claim = start()

        def metrics() -> Any:
            record = jobs.get(claim.job_id)
            assert record is not None
            return json.loads(record.metrics)

        leases.record_epochs(claim, [row(1, loss=9.0), row(2, loss=0.25)], eta_s=None)
        assert metrics() == {"loss": 0.25}
        leases.record_epochs(claim, [row(3, loss=None)], eta_s=None)
        leases.record_epochs(claim, [], eta_s=None)
        assert metrics() == {"loss": None}
        leases.release(claim, penalized=False)
        assert metrics() == {"loss": None}
        again = leases.claim(claim.job_id, "w")
        assert again is not None
        assert metrics() == {"loss": None}
        leases.resume(again, [row(1, loss=9.0)], until=1)
        assert metrics() == {"loss": 9.0}

    def test_pages_of_epochs(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(number) for number in range(1, 6)], eta_s=None)
        pages = list(jobs.epoch_pages(claim.job_id, size=2))
        assert [len(page) for page in pages] == [2, 2, 1]
        texts = [text for page in pages for text in page]
        assert texts == [row(number).model_dump_json() for number in range(1, 6)]

    def test_epochs_by_their_numbers(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(number) for number in range(1, 1501)], eta_s=None)
        wanted = [1500, 3, *range(10, 1200), 9999]
        texts = jobs.epochs_at(claim.job_id, wanted)
        numbers = sorted(number for number in wanted if number <= 1500)
        assert texts == [row(number).model_dump_json() for number in numbers]
        assert jobs.epochs_at(claim.job_id, []) == []
        assert jobs.epochs_at("job_nobody", [1]) == []

    def test_pages_of_epochs_never_mix_attempts(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(number) for number in range(1, 6)], eta_s=None)
        pages = jobs.epoch_pages(claim.job_id, size=2)
        assert len(next(pages)) == 2
        leases.release(claim, penalized=False)
        again = leases.claim(claim.job_id, "w")
        assert again is not None
        leases.record_epochs(again, [row(number) for number in range(1, 6)], eta_s=None)
        assert list(pages) == []

    def test_pages_of_epochs_continue_after_the_resumed_epoch(
        self, jobs: JobStore, leases: LeaseStore, start: Any, row: Callable[..., EpochRow]
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(number) for number in range(1, 6)], eta_s=None)
        kept, cut = (jobs.epoch_pages(claim.job_id, size=size) for size in (2, 4))
        assert (len(next(kept)), len(next(cut))) == (2, 4)
        leases.release(claim, penalized=False)
        again = leases.claim(claim.job_id, "w")
        assert again is not None
        leases.resume(again, [row(number) for number in range(1, 4)], until=3)
        leases.record_epochs(again, [row(4, loss=7.0)], eta_s=None)
        texts = [text for page in kept for text in page]
        assert texts == [row(3).model_dump_json(), row(4, loss=7.0).model_dump_json()]
        assert list(cut) == []

    def test_call_without_epochs_returns_the_status(self, leases: LeaseStore, start: Any) -> None:
        assert leases.record_epochs(start(), [], eta_s=1.0) is not None


class TestFinish:
    def test_finish_publishes_with_the_status(
        self, jobs: JobStore, leases: LeaseStore, start: Any, completed: EndReason
    ) -> None:
        claim = start()
        metrics = {"accuracy": 0.5, "loss": None}
        assert leases.finish(
            claim, JobStatus.SUCCEEDED, completed, metrics=metrics, artifacts=[MODEL, REPORT]
        )
        record = jobs.get(claim.job_id)
        assert record is not None
        assert (record.status, record.reason_code) == (JobStatus.SUCCEEDED, "completed")
        assert record.reason_detail == completed.detail
        assert json.loads(record.metrics) == metrics
        assert record.artifacts == (REPORT, MODEL)
        assert record.finished_at is not None
        assert (record.lease_owner, record.lease_expires_at, record.eta_s) == (None, None, None)

    @pytest.mark.parametrize(("given", "kept"), [(None, 0.5), ({"loss": 0.1}, 0.1)])
    def test_finish_without_metrics_keeps_those_of_the_last_epoch(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        start: Any,
        row: Any,
        failure: Any,
        given: Any,
        kept: float,
    ) -> None:
        claim = start()
        leases.record_epochs(claim, [row(1)], eta_s=None)
        assert leases.finish(claim, JobStatus.FAILED, failure, metrics=given)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert json.loads(record.metrics) == {"loss": kept}

    def test_cancelling_job_never_succeeds(
        self, jobs: JobStore, leases: LeaseStore, start: Any, completed: EndReason
    ) -> None:
        claim = start()
        jobs.request_cancel(claim.job_id)
        assert not leases.finish(claim, JobStatus.SUCCEEDED, completed, artifacts=[MODEL])
        assert leases.finish(claim, JobStatus.CANCELLED, BY_USER)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert (record.status, record.artifacts) == (JobStatus.CANCELLED, ())

    def test_running_job_cannot_finish_as_cancelled(
        self, jobs: JobStore, leases: LeaseStore, start: Any
    ) -> None:
        claim = start()
        assert not leases.finish(claim, JobStatus.CANCELLED, BY_USER)
        assert len(jobs.list([JobStatus.RUNNING]).records) == 1

    def test_first_end_wins(
        self, jobs: JobStore, leases: LeaseStore, start: Any, completed: EndReason, failure: Any
    ) -> None:
        claim = start()
        assert leases.finish(claim, JobStatus.FAILED, failure)
        assert not leases.finish(claim, JobStatus.SUCCEEDED, completed)
        assert len(jobs.list([JobStatus.FAILED]).records) == 1

    def test_repeated_finish_returns_true(
        self, jobs: JobStore, leases: LeaseStore, start: Any, completed: EndReason
    ) -> None:
        claim = start()
        assert leases.finish(claim, JobStatus.SUCCEEDED, completed, artifacts=[MODEL])
        before = jobs.get(claim.job_id)
        assert leases.finish(claim, JobStatus.SUCCEEDED, completed, artifacts=[MODEL])
        assert jobs.get(claim.job_id) == before

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nonfinite_metric_is_rejected(
        self, leases: LeaseStore, start: Any, completed: EndReason, value: float
    ) -> None:
        with pytest.raises(NonFiniteValue, match="loss"):
            leases.finish(start(), JobStatus.SUCCEEDED, completed, metrics={"loss": value})

    def test_status_that_is_not_terminal_is_rejected(
        self, leases: LeaseStore, start: Any, completed: EndReason
    ) -> None:
        with pytest.raises(ValueError, match="terminal"):
            leases.finish(start(), JobStatus.QUEUED, completed)

    def test_any_text_of_a_crash_can_be_stored(
        self, jobs: JobStore, leases: LeaseStore, start: Any
    ) -> None:
        claim = start()
        reason = EndReason(code=EndCode.INTERNAL_ERROR, detail="a\x00b")
        ended = AttemptExit(code=1, signal=9, detail="c\x00\ud800")
        assert leases.finish(claim, JobStatus.FAILED, reason, attempt_exit=ended)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.reason_detail == "a\ufffdb"
        (attempt,) = jobs.attempts(claim.job_id)
        assert (attempt.exit_code, attempt.exit_signal, attempt.reason) == (1, 9, "c\ufffd?")
        assert (attempt.outcome, attempt.worker_id) == ("internal_error", "worker-1")
        assert attempt.ended_at is not None


def test_replayed_key_returns_the_current_job(
    jobs: JobStore, leases: LeaseStore, new_job: Any
) -> None:
    key = Idempotency("key", "hash")
    job_id = jobs.create(new_job(), key).record.id
    leases.claim(job_id, "w")
    assert jobs.create(new_job(), key).record.status is JobStatus.RUNNING
