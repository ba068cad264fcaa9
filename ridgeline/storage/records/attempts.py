"""The start of an attempt, a guarded UPDATE that only one worker can match, and its end.

A job whose attempt ends without a result is queued again, paused or ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from signal import SIGKILL
from typing import Any

from sqlalchemy import (
    BigInteger,
    bindparam,
    case,
    cast,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import ReturningUpdate

from ridgeline.api.lifecycle import EndCode, EndReason, JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import RowReader, Timestamp, milliseconds, now_ms
from ridgeline.storage.records.outbox import add_hint
from ridgeline.storage.records.status_changes import (
    CANCELLED_BY_USER,
    add_status,
    move,
)
from ridgeline.storage.records.values import (
    AttemptExit,
    AttemptReason,
    AttemptRecord,
    Claim,
    LockedJob,
    signal_name,
)
from ridgeline.storage.tables import QUEUED, attempts, epochs, jobs

CLAIMABLE = (
    QUEUED,
    jobs.c.available_at <= now_ms(),
    jobs.c.cancel_requested_at.is_(None),
)
"""The jobs that a worker may claim now."""

CRASH_CAP = 3
"""Crashes since the last new checkpoint after which a job fails instead of being retried."""

_LONGEST_BACKOFF_S = 300.0

_UNEXPLAINED = {
    AttemptReason.CRASHED: "its process died",
    AttemptReason.LEASE_EXPIRED: "its worker sent no heartbeat until the lease expired",
}

_MAX_DETAIL = 1500

_KILLED = (
    "The system does that when memory runs out: lower training.batch_size, make the network"
    " smaller, or give the worker more memory."
)


@dataclass(frozen=True, kw_only=True)
class _ClaimedJob(LockedJob):
    resolved: str
    deadline_at: datetime | None
    claimed_at: datetime


_CLAIMED = RowReader(_ClaimedJob, jobs, claimed_at=type_coerce(now_ms(), Timestamp))


def claim_job(connection: Connection, job_id: str, owner: str, lease_s: float) -> Claim | None:
    """Claim the job for `owner`; None if it cannot be claimed."""
    job = _CLAIMED.read_one(connection.execute(_claiming(job_id, owner, lease_s)))
    if job is None:
        return None
    numbers = {"attempt": job.attempt, "fence": job.fence}
    started = insert(attempts).values(job_id=job_id, owner=owner, started_at=now_ms(), **numbers)
    connection.execute(started)
    add_status(connection, job, JobStatus.QUEUED, JobStatus.RUNNING)
    failpoint("claim.before_commit")
    left = None if job.deadline_at is None else job.deadline_at - job.claimed_at
    return Claim(
        job_id=job_id,
        owner=owner,
        attempt=job.attempt,
        fence=job.fence,
        resolved=job.resolved,
        deadline_at=job.deadline_at,
        remaining_s=None if left is None else left.total_seconds(),
    )


def _claiming(job_id: str, owner: str, lease_s: float) -> ReturningUpdate[*tuple[Any, ...]]:
    """The guarded UPDATE that the claim of only one worker can match."""
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
        .returning(*_CLAIMED.columns)
    )


class CrashPolicy:
    """Decides how often and after how long a crashed job is retried.

    Only crashes since the last new checkpoint count: a job that gets further with every attempt is
    in no crash loop. `jitter` returns numbers in [0, 1).
    """

    def __init__(self, crash_cap: int, jitter: Callable[[], float]) -> None:
        self._crash_cap = crash_cap
        self._jitter = jitter

    def end_attempt(
        self,
        connection: Connection,
        job: LockedJob,
        ended: AttemptExit,
        delay_s: float | None = None,
    ) -> JobStatus:
        """Queue the job with a backoff, fail it at the cap, or cancel or pause it as requested."""
        if job.status is JobStatus.CANCELLING:
            return end(connection, job, JobStatus.CANCELLED, CANCELLED_BY_USER, ended)
        counted = {"crash_count": job.crash_count + 1}
        crashes = counted["crash_count"] - job.checkpoint_crashes
        if crashes < self._crash_cap:
            if job.status is JobStatus.PAUSING:
                return pause(connection, job, ended, counted)
            if delay_s is None:
                delay_s = backoff_s(crashes, self._jitter())
            return requeue(connection, job, ended, delay_s, counted)
        reason = _last_crash(crashes, ended)
        return end(connection, job, JobStatus.FAILED, reason, ended, counted)


def checkpoint_at(epoch: int, *, crashed_since: bool = False) -> dict[str, Any]:
    """Changes to a job of which a checkpoint at `epoch` exists; none if an earlier one was as far.

    `crashed_since`: the attempt that wrote it has crashed, and that crash counts.
    """
    further = jobs.c.checkpoint_epoch < epoch
    crashes: Any = jobs.c.crash_count
    if crashed_since:
        uncounted = jobs.c.crash_count <= jobs.c.checkpoint_crashes
        crashes = case((uncounted, crashes), else_=crashes - 1)
    return {
        "checkpoint_epoch": case((further, epoch), else_=jobs.c.checkpoint_epoch),
        "checkpoint_crashes": case((further, crashes), else_=jobs.c.checkpoint_crashes),
    }


def backoff_s(crashes: int, jitter: float) -> float:
    """Seconds to wait after `crashes` crashes: min(2ⁿ, 300) · (1 + jitter/2).

    `jitter` in [0, 1) spreads jobs that crashed together.
    """
    return min(2.0**crashes, _LONGEST_BACKOFF_S) * (1 + jitter / 2)


def requeue(
    connection: Connection,
    job: LockedJob,
    ended: AttemptExit,
    delay_s: float,
    values: Mapping[str, int],
) -> JobStatus:
    """Make the job claimable again in `delay_s` seconds, with a hint to be sent then."""
    available = {"available_at": now_ms() + milliseconds(delay_s)}
    move(connection, job, JobStatus.QUEUED, attempt_exit=ended, values={**values, **available})
    add_hint(connection, job.id, delay_s)
    return JobStatus.QUEUED


def pause(
    connection: Connection,
    job: LockedJob,
    ended: AttemptExit,
    values: Mapping[str, int] | None = None,
) -> JobStatus:
    """Pause the job until its user resumes it."""
    changes = {**(values or {}), "paused_at": now_ms()}
    move(connection, job, JobStatus.PAUSED, attempt_exit=ended, values=changes)
    return JobStatus.PAUSED


def end(
    connection: Connection,
    job: LockedJob,
    status: JobStatus,
    reason: EndReason,
    ended: AttemptExit,
    values: Mapping[str, int] | None = None,
) -> JobStatus:
    """End the job."""
    move(connection, job, status, reason=reason, attempt_exit=ended, values=values)
    return status


def _last_crash(crashes: int, last: AttemptExit) -> EndReason:
    """Why a job ends that is not retried."""
    story = _describe_crash(crashes, last)
    if last.signal == SIGKILL:
        return EndReason(code=EndCode.OUT_OF_MEMORY, detail=f"{story} {_KILLED}")
    return EndReason(code=EndCode.CRASH_LOOP, detail=story)


def _describe_crash(crashes: int, last: AttemptExit) -> str:
    """A sentence with all that is known of the failed attempts."""
    known = []
    if last.signal is not None:
        number, name = str(last.signal), signal_name(last.signal)
        known.append(f"killed by signal {number}" + ("" if name == number else f" ({name})"))
    elif last.code is not None:
        known.append(f"exit code {last.code}")
    if last.detail:
        known.append(last.detail[:_MAX_DETAIL].rstrip("."))
    if not known:
        known.append(_UNEXPLAINED[AttemptReason(last.reason or AttemptReason.CRASHED)])
    attempts = "1 attempt" if crashes == 1 else f"{crashes} attempts"
    return f"{attempts} failed; the last: {', '.join(known)}."


def attempts_at(connection: Connection, job_id: str) -> tuple[AttemptRecord, ...]:
    """Every attempt at the job, oldest first."""
    return tuple(_ATTEMPT.read_all(connection.execute(_ATTEMPTS, {"of_job": job_id})))


_MEASURED = (
    select(epochs.c.attempt, func.count().label("epochs"))
    .where(epochs.c.job_id == bindparam("of_job"))
    .group_by(epochs.c.attempt)
    .subquery()
)
_ATTEMPT = RowReader(
    AttemptRecord,
    attempts,
    number=attempts.c.attempt,
    worker_id=attempts.c.owner,
    outcome=attempts.c.reason,
    reason=attempts.c.detail,
    epochs=func.coalesce(_MEASURED.c.epochs, 0),
)
_ATTEMPTS = (
    select(*_ATTEMPT.columns)
    .select_from(attempts)
    .join(_MEASURED, _MEASURED.c.attempt == attempts.c.attempt, isouter=True)
    .where(attempts.c.job_id == bindparam("of_job"))
    .order_by(attempts.c.attempt)
)
