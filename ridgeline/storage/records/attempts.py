"""How a worker takes a job: one guarded UPDATE, which only one of them can match."""

from typing import Any

from sqlalchemy import BigInteger, cast, func, insert, type_coerce, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import ReturningUpdate

from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import Timestamp, milliseconds, now_ms
from ridgeline.storage.records.transitions import LOCKED_COLUMNS, add_status
from ridgeline.storage.records.values import Claim
from ridgeline.storage.tables import QUEUED, attempts, jobs

CLAIMABLE = (
    QUEUED,
    jobs.c.available_at <= now_ms(),
    jobs.c.cancel_requested_at.is_(None),
)
"""The jobs that a worker may take now."""


def take(connection: Connection, job_id: str, owner: str, lease_s: float) -> Claim | None:
    """Take the job for `owner`; None if it is not to be had."""
    taken = connection.execute(_claiming(job_id, owner, lease_s)).mappings().one_or_none()
    if taken is None:
        return None
    numbers = {name: taken[name] for name in ("attempt", "fence")}
    started = insert(attempts).values(job_id=job_id, owner=owner, started_at=now_ms(), **numbers)
    connection.execute(started)
    add_status(connection, taken, JobStatus.QUEUED, JobStatus.RUNNING)
    failpoint("claim.before_commit")
    deadline_at = taken["deadline_at"]
    return Claim(
        job_id=job_id,
        owner=owner,
        resolved=taken["resolved"],
        deadline_at=deadline_at,
        remaining_s=deadline_at and (deadline_at - taken["claimed_at"]).total_seconds(),
        **numbers,
    )


def _claiming(job_id: str, owner: str, lease_s: float) -> ReturningUpdate[*tuple[Any, ...]]:
    """The guarded UPDATE that only one worker's claim can match."""
    deadline_at = now_ms() + cast(jobs.c.deadline_s * 1000, BigInteger)
    return (
        update(jobs)
        .where(jobs.c.id == job_id, *CLAIMABLE)
        .values(
            status=JobStatus.RUNNING,
            version=jobs.c.version + 1,
            attempt=jobs.c.attempt + 1,
            fence=jobs.c.fence + 1,
            lease_owner=owner,
            lease_expires_at=now_ms() + milliseconds(lease_s),
            started_at=func.coalesce(jobs.c.started_at, now_ms()),
            deadline_at=func.coalesce(jobs.c.deadline_at, deadline_at),
        )
        .returning(
            *LOCKED_COLUMNS,
            jobs.c.resolved,
            jobs.c.deadline_at,
            type_coerce(now_ms(), Timestamp).label("claimed_at"),
        )
    )
