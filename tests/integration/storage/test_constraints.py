"""The constraints of the database itself."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from ridgeline.api.job import EndReason, JobStatus, can_become
from ridgeline.storage import Claim, JobStore, LeaseStore

SQL = Callable[..., list[Any]]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET status = 'sleeping'",
        "UPDATE jobs SET status = 'running'",  # held by nobody
        "UPDATE jobs SET status = 'cancelling'",
        "UPDATE jobs SET status = 'pausing'",
        "UPDATE jobs SET lease_owner = 'w', lease_expires_at = 1",  # queued, yet held
        "UPDATE jobs SET lease_expires_at = 1",
        "UPDATE jobs SET status = 'succeeded'",  # ended, at no time
        "UPDATE jobs SET status = 'failed', finished_at = 1",  # for no reason
        "UPDATE jobs SET finished_at = 1, reason_code = 'completed'",  # finished, yet queued
        "UPDATE jobs SET reason_code = 'completed'",
        "UPDATE jobs SET progress_epoch = -1",
        "UPDATE jobs SET status = 'paused'",  # at no time
        "UPDATE jobs SET paused_at = 1",
        "UPDATE jobs SET crash_count = 1",  # without an attempt
        # Cancelled, though nobody asked:
        "UPDATE jobs SET status = 'cancelled', finished_at = 1, reason_code = 'completed'",
        "UPDATE jobs SET spec = NULL",
    ],
)
def test_inconsistent_row_is_rejected(submit: Callable[..., str], sql: SQL, statement: str) -> None:
    submit()
    with pytest.raises(IntegrityError):
        sql(statement)


def test_held_job_needs_a_lease(start: Callable[..., Claim], sql: SQL) -> None:
    start()
    for statement in (
        "UPDATE jobs SET lease_owner = NULL",
        "UPDATE jobs SET lease_expires_at = NULL",
        "UPDATE jobs SET status = 'queued'",
    ):
        with pytest.raises(IntegrityError):
            sql(statement)


@pytest.mark.parametrize("status", [status for status in JobStatus if status.terminal])
def test_ended_job_never_changes(
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    completed: EndReason,
    sql: SQL,
    status: JobStatus,
) -> None:
    claim = start()
    if status is JobStatus.CANCELLED:
        jobs.request_cancel(claim.job_id)
    assert leases.finish(claim, status, completed)
    before = jobs.get(claim.job_id)
    for statement in (
        "UPDATE jobs SET name = 'x'",
        "UPDATE jobs SET version = 99",
        "UPDATE jobs SET status = 'queued', finished_at = NULL, reason_code = NULL",
    ):
        with pytest.raises(IntegrityError, match="never changes"):
            sql(statement)
    assert jobs.get(claim.job_id) == before
    sql("DELETE FROM jobs")
    assert jobs.get(claim.job_id) is None


TURN = (
    "UPDATE jobs SET status = :status, lease_owner = :owner, lease_expires_at = :held,"
    " finished_at = :ended, reason_code = :reason, cancel_requested_at = :asked,"
    " paused_at = :paused"
)


def row_of(status: JobStatus) -> dict[str, Any]:
    """The values of a row of that status, for TURN."""
    return {
        "status": status.value,
        "owner": "w" if status.held else None,
        "held": 9 if status.held else None,
        "ended": 1 if status.terminal else None,
        "reason": "completed" if status.terminal else None,
        "asked": 1 if status in (JobStatus.CANCELLING, JobStatus.CANCELLED) else None,
        "paused": 1 if status is JobStatus.PAUSED else None,
    }


# From the first status on, by the listed transitions, to each of the others.
WAYS: dict[JobStatus, tuple[JobStatus, ...]] = {
    JobStatus.QUEUED: (),
    JobStatus.RUNNING: (JobStatus.RUNNING,),
    JobStatus.CANCELLING: (JobStatus.RUNNING, JobStatus.CANCELLING),
    JobStatus.PAUSING: (JobStatus.RUNNING, JobStatus.PAUSING),
    JobStatus.PAUSED: (JobStatus.PAUSED,),
    JobStatus.SUCCEEDED: (JobStatus.RUNNING, JobStatus.SUCCEEDED),
    JobStatus.FAILED: (JobStatus.RUNNING, JobStatus.FAILED),
    JobStatus.CANCELLED: (JobStatus.CANCELLED,),
}


@pytest.mark.parametrize("before", JobStatus)
@pytest.mark.parametrize("after", JobStatus)
def test_database_allows_exactly_the_listed_transitions(
    submit: Callable[..., str], sql: SQL, before: JobStatus, after: JobStatus
) -> None:
    """Tries every pair by plain SQL that is otherwise valid."""
    submit()
    for status in WAYS[before]:
        sql(TURN, **row_of(status))
    if can_become(before, after) or (before is after and not before.terminal):
        sql(TURN, **row_of(after))
        return
    with pytest.raises(IntegrityError, match="never changes" if before.terminal else "transition"):
        sql(TURN, **row_of(after))


def test_status_event_needs_a_listed_transition(
    jobs: JobStore, submit: Callable[..., str], sql: SQL
) -> None:
    job_id = submit()
    insert = (
        "INSERT INTO events (job_id, type, attempt, fence, before, after, payload, created_at)"
        " VALUES (:job_id, 'status', 1, 1, :before, :after, '', 1)"
    )
    for before, after in itertools.product([None, *JobStatus], [None, *JobStatus]):
        created = (before, after) == (None, JobStatus.QUEUED)
        values = {
            "job_id": job_id,
            "before": before and before.value,
            "after": after and after.value,
        }
        if created or (before and after and can_become(before, after)):
            sql(insert, **values)
            continue
        with pytest.raises(IntegrityError):
            sql(insert, **values)


def test_rows_need_an_existing_job(sql: SQL) -> None:
    with pytest.raises(IntegrityError):
        sql("INSERT INTO job_tags (job_id, tag) VALUES ('job_x', 'tag')")


def test_idempotency_key_needs_a_job_at_commit(sql: SQL) -> None:
    with pytest.raises(IntegrityError):
        sql("INSERT INTO idempotency_keys VALUES ('key', 'hash', 'job_x', 1)")


def test_epoch_zero_is_rejected(start: Callable[..., Claim], sql: SQL) -> None:
    job_id = start().job_id
    with pytest.raises(IntegrityError):
        sql("INSERT INTO epochs VALUES (:id, 0, 1, '{}')", id=job_id)
