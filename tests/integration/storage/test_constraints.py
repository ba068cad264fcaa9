"""What the database itself refuses, whoever writes to it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from ridgeline.contract.job import EndReason, JobStatus
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
        "UPDATE jobs SET spec = NULL",
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    submit: Callable[..., str], sql: SQL, statement: str
) -> None:
    submit()
    with pytest.raises(IntegrityError):
        sql(statement)


def test_a_held_row_needs_its_lease(start: Callable[..., Claim], sql: SQL) -> None:
    start()
    for statement in (
        "UPDATE jobs SET lease_owner = NULL",
        "UPDATE jobs SET lease_expires_at = NULL",
        "UPDATE jobs SET status = 'queued'",
    ):
        with pytest.raises(IntegrityError):
            sql(statement)


@pytest.mark.parametrize("status", [status for status in JobStatus if status.terminal])
def test_an_ended_row_never_changes(
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


def test_rows_belong_to_a_job(sql: SQL) -> None:
    with pytest.raises(IntegrityError):
        sql("INSERT INTO job_tags (job_id, tag) VALUES ('job_x', 'tag')")


def test_a_key_belongs_to_a_job_once_it_is_committed(sql: SQL) -> None:
    with pytest.raises(IntegrityError):
        sql("INSERT INTO idempotency_keys VALUES ('key', 'hash', 'job_x', 1)")


def test_epochs_count_from_one(start: Callable[..., Claim], sql: SQL) -> None:
    job_id = start().job_id
    with pytest.raises(IntegrityError):
        sql("INSERT INTO epochs VALUES (:id, 0, 1, '{}')", id=job_id)
