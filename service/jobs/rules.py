"""Jobs: validate, wait, cancel, pause, resume, delete."""

import asyncio
import logging
import re
from typing import NamedTuple

from ridgeline.api.job import JOB_ID_PATTERN, JobStatus, Validation
from ridgeline.failpoints import failpoint
from ridgeline.planning.resolve import resolve
from ridgeline.storage import (
    IllegalTransition,
    JobRecord,
    StorageError,
    UnknownJob,
)
from service.http.bodies import parse_spec
from service.http.problems import no_such_job
from service.jobs.stored_data import with_stored
from service.services import Parts, read

_JOB_ID = re.compile(JOB_ID_PATTERN)

logger = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A job after a request to change its state."""

    record: JobRecord
    already: bool
    """Whether it was as asked for before."""


def validate(parts: Parts, body: bytes) -> Validation:
    """Say what would be trained; nothing is stored. Raises ApiProblem and SpecError as a POST."""
    spec = with_stored(parse_spec(body), parts.datasets.store)
    resolution = resolve(spec, memory_limit=parts.settings.memory_limit_bytes)
    return Validation(
        resolved=resolution.spec,
        parameters=resolution.parameters,
        memory_bytes=resolution.memory_bytes,
        penalties=resolution.penalties,
        advice=resolution.advice,
    )


async def find(parts: Parts, job_id: str) -> JobRecord:
    """The job; raises ApiProblem: not-found."""
    check_id(job_id)
    record = await read(parts.database, parts.lookups.get, job_id)
    if record is None:
        raise no_such_job()
    return record


def check_id(job_id: str) -> None:
    """Raise ApiProblem (not-found) for what cannot be a job's id."""
    if not _JOB_ID.fullmatch(job_id):
        raise no_such_job()


async def wait_for_change(parts: Parts, record: JobRecord, seconds: float) -> JobRecord:
    """The job once it has changed, or as it is when time is over; an ended one never changes."""
    if record.status.terminal or not await parts.watcher.changed(
        record.id, record.version, seconds
    ):
        return record
    return await find(parts, record.id)


async def wait_for_end(parts: Parts, record: JobRecord, seconds: float) -> JobRecord:
    """The job once it has ended, or as it is when the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not record.status.terminal:
        if not await parts.watcher.changed(record.id, record.version, deadline - loop.time()):
            return record
        record = await find(parts, record.id)
    return record


def cancel(parts: Parts, job_id: str) -> Asked:
    """Cancel a waiting or paused job, or have a running one stopped.

    Raises UnknownJob, and IllegalTransition for a job that has ended otherwise.
    """
    record = _record(parts, job_id)
    if record.status in (JobStatus.CANCELLING, JobStatus.CANCELLED):
        return Asked(record, already=True)
    try:
        return Asked(parts.jobs.request_cancel(job_id), already=False)
    except IllegalTransition as error:
        if error.status is not JobStatus.CANCELLED:
            raise
        return cancel(parts, job_id)  # somebody else was faster


def pause(parts: Parts, job_id: str) -> Asked:
    """Pause a waiting job, or have a running one write a checkpoint and free its slot.

    Raises UnknownJob, and IllegalTransition for a job that is being cancelled or has ended.
    """
    already = _record(parts, job_id).status in (JobStatus.PAUSING, JobStatus.PAUSED)
    return Asked(parts.jobs.request_pause(job_id), already)


def resume(parts: Parts, job_id: str) -> Asked:
    """Queue a paused job again, and have a worker told.

    Raises UnknownJob, and IllegalTransition for a job that is being cancelled or has ended.
    """
    already = _record(parts, job_id).status in (JobStatus.QUEUED, JobStatus.RUNNING)
    asked = Asked(parts.jobs.request_resume(job_id), already)
    parts.janitor.wake()
    return asked


def delete(parts: Parts, job_id: str) -> None:
    """Delete an ended job, its rows and then its files.

    Raises UnknownJob, and IllegalTransition for a job that has not ended.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise UnknownJob(job_id)
    parts.jobs.delete(job_id)
    failpoint("delete.rows_deleted")
    try:
        parts.ownership.confirm()
        parts.artifacts.delete_job(job_id)
    except (OSError, StorageError):
        # Nothing refers to them any more: they cost space, and no one can download them.
        logger.exception("%s is deleted, but some of its files are left", job_id)


def _record(parts: Parts, job_id: str) -> JobRecord:
    """The job; raises UnknownJob."""
    record = parts.jobs.get(job_id) if _JOB_ID.fullmatch(job_id) else None
    if record is None:
        raise UnknownJob(job_id)
    return record
