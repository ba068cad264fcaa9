"""Jobs: validate, find, wait, cancel, pause, resume, delete, and their attempts."""

import asyncio
import logging
import re
from typing import NamedTuple

from ridgeline.api.attempts import Attempt, AttemptOutcome, JobAttempts
from ridgeline.api.job import JOB_ID_PATTERN, JobStatus, Validation
from ridgeline.failpoints import failpoint
from ridgeline.planning.resolve import resolve
from ridgeline.storage import (
    AttemptRecord,
    IllegalTransition,
    JobRecord,
    JobStore,
    StorageError,
    UnknownJob,
)
from service.http.bodies import parse_spec
from service.jobs.submissions import with_stored
from service.services import Services, read

_JOB_ID = re.compile(JOB_ID_PATTERN)

logger = logging.getLogger(__name__)


class Requested(NamedTuple):
    """A job after a request to change its status."""

    record: JobRecord
    already: bool
    """Whether it had, or was about to have, that status before."""


def validate(services: Services, body: bytes) -> Validation:
    """Resolve a spec and store nothing; raises what submitting it would raise."""
    spec = with_stored(parse_spec(body), services.datasets.store)
    resolution = resolve(spec, memory_limit=services.settings.memory_limit_bytes)
    return Validation(
        resolved=resolution.spec,
        parameters=resolution.parameters,
        memory_bytes=resolution.memory_bytes,
        penalties=resolution.penalties,
        advice=resolution.advice,
    )


async def find(services: Services, job_id: str) -> JobRecord:
    """The job; raises UnknownJob."""
    check_id(job_id)
    record = await read(services.database, services.lookups.get, job_id)
    if record is None:
        raise UnknownJob(job_id)
    return record


def check_id(job_id: str) -> None:
    """Raise UnknownJob for a string that cannot be a job's id."""
    if not _JOB_ID.fullmatch(job_id):
        raise UnknownJob(job_id)


def attempts(jobs: JobStore, job_id: str) -> JobAttempts:
    """Every attempt at the job, oldest first."""
    return JobAttempts(attempts=tuple(map(_attempt, jobs.attempts(job_id))))


def _attempt(record: AttemptRecord) -> Attempt:
    return Attempt(
        number=record.number,
        worker=record.worker_id,
        started_at=record.started_at,
        ended_at=record.ended_at,
        outcome=AttemptOutcome(record.outcome or AttemptOutcome.RUNNING),
        exit_code=record.exit_code,
        signal=record.signal,
        reason=record.reason,
        epochs=record.epochs,
    )


async def wait_for_change(services: Services, record: JobRecord, seconds: float) -> JobRecord:
    """The job once it has changed, or after `seconds`; an ended job never changes."""
    if record.status.terminal or not await services.watcher.changed(
        record.id, record.version, seconds
    ):
        return record
    return await find(services, record.id)


async def wait_for_end(services: Services, record: JobRecord, seconds: float) -> JobRecord:
    """The job once it has ended, or after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not record.status.terminal:
        if not await services.watcher.changed(record.id, record.version, deadline - loop.time()):
            return record
        record = await find(services, record.id)
    return record


def cancel(services: Services, job_id: str) -> Requested:
    """Cancel a queued or paused job, or stop a running one.

    Raises UnknownJob, and IllegalTransition for a job that has ended otherwise.
    """
    record = _record(services, job_id)
    if record.status in (JobStatus.CANCELLING, JobStatus.CANCELLED):
        return Requested(record, already=True)
    try:
        return Requested(services.jobs.request_cancel(job_id), already=False)
    except IllegalTransition as error:
        if error.status is not JobStatus.CANCELLED:
            raise
        return cancel(services, job_id)  # a request at the same time was faster


def pause(services: Services, job_id: str) -> Requested:
    """Pause a queued job, or let a running one write a checkpoint and free its slot.

    Raises UnknownJob, and IllegalTransition for a job that is being cancelled or has ended.
    """
    already = _record(services, job_id).status in (JobStatus.PAUSING, JobStatus.PAUSED)
    return Requested(services.jobs.request_pause(job_id), already)


def resume(services: Services, job_id: str) -> Requested:
    """Queue a paused job again, and wake the dispatch.

    Raises UnknownJob, and IllegalTransition for a job that is being cancelled or has ended.
    """
    already = _record(services, job_id).status in (JobStatus.QUEUED, JobStatus.RUNNING)
    asked = Requested(services.jobs.request_resume(job_id), already)
    services.janitor.wake()
    return asked


def delete(services: Services, job_id: str) -> None:
    """Delete an ended job, its rows and then its files.

    Raises UnknownJob, and IllegalTransition for a job that has not ended.
    """
    check_id(job_id)
    services.jobs.delete(job_id)
    failpoint("delete.rows_deleted")
    try:
        services.ownership.confirm()
        services.artifacts.delete_job(job_id)
    except (OSError, StorageError):
        # No record refers to the files: they only cost space until the janitor deletes them.
        logger.exception("%s: the records are deleted, but not all of the files", job_id)


def _record(services: Services, job_id: str) -> JobRecord:
    """The job; raises UnknownJob."""
    check_id(job_id)
    record = services.jobs.get(job_id)
    if record is None:
        raise UnknownJob(job_id)
    return record
