"""How a worker takes a job: one guarded UPDATE, which only one of them can match.

What becomes of a job when an attempt ends and does not end it: tried again, paused, or over.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from signal import SIGKILL, Signals
from typing import Any

from sqlalchemy import BigInteger, cast, func, insert, type_coerce, update
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.sql.dml import ReturningUpdate

from ridgeline.api.lifecycle import EndCode, EndReason, JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import Timestamp, milliseconds, now_ms
from ridgeline.storage.records.outbox import add_hint
from ridgeline.storage.records.transitions import (
    CANCELLED_BY_USER,
    LOCKED_COLUMNS,
    add_status,
    move,
)
from ridgeline.storage.records.values import AttemptExit, AttemptReason, Claim
from ridgeline.storage.tables import QUEUED, attempts, jobs

CLAIMABLE = (
    QUEUED,
    jobs.c.available_at <= now_ms(),
    jobs.c.cancel_requested_at.is_(None),
)
"""The jobs that a worker may take now."""


CRASH_CAP = 3
"""Crashes after which a job fails instead of being tried again."""


_LONGEST_BACKOFF_S = 300.0


_STORIES = {
    AttemptReason.CRASHED: "its process died",
    AttemptReason.LEASE_EXPIRED: "its worker was not heard of until the lease was over",
}


_LONGEST_STORY = 1500


_KILLED = (
    "The system kills a process so when memory runs out: lower training.batch_size, make the"
    " network smaller, or give the worker more memory."
)


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


class Retries:
    """How often, and after how long, a job is tried again that has crashed.

    `jitter` gives numbers in [0, 1).
    """

    def __init__(self, crash_cap: int, jitter: Callable[[], float]) -> None:
        self._crash_cap = crash_cap
        self._jitter = jitter

    def crashed(
        self,
        connection: Connection,
        row: RowMapping,
        ended: AttemptExit,
        delay_s: float | None = None,
    ) -> JobStatus:
        """Queue the job again with a backoff, or fail it at the cap; cancel or pause as asked."""
        if row["status"] is JobStatus.CANCELLING:
            return end(connection, row, JobStatus.CANCELLED, CANCELLED_BY_USER, ended)
        crashes = {"crash_count": row["crash_count"] + 1}
        if crashes["crash_count"] < self._crash_cap:
            if row["status"] is JobStatus.PAUSING:
                return pause(connection, row, ended, crashes)
            if delay_s is None:
                delay_s = backoff_s(crashes["crash_count"], self._jitter())
            return requeue(connection, row, ended, delay_s, crashes)
        reason = _last_crash(crashes["crash_count"], ended)
        return end(connection, row, JobStatus.FAILED, reason, ended, crashes)


def backoff_s(crashes: int, jitter: float) -> float:
    """Seconds to wait after `crashes` crashes: 2ⁿ, at most 300, and up to half of it more.

    `jitter` in [0, 1) spreads jobs that died together.
    """
    return min(2.0**crashes, _LONGEST_BACKOFF_S) * (1 + jitter / 2)


def requeue(
    connection: Connection,
    row: RowMapping,
    ended: AttemptExit,
    delay_s: float,
    values: Mapping[str, int],
) -> JobStatus:
    """Make the job claimable again in `delay_s` seconds, and order the hint for then."""
    available = {"available_at": now_ms() + milliseconds(delay_s)}
    move(connection, row, JobStatus.QUEUED, attempt_exit=ended, values={**values, **available})
    add_hint(connection, row["id"], delay_s)
    return JobStatus.QUEUED


def pause(
    connection: Connection,
    row: RowMapping,
    ended: AttemptExit,
    values: Mapping[str, int] | None = None,
) -> JobStatus:
    """Let the job wait for its user."""
    changes = {**(values or {}), "paused_at": now_ms()}
    move(connection, row, JobStatus.PAUSED, attempt_exit=ended, values=changes)
    return JobStatus.PAUSED


def end(
    connection: Connection,
    row: RowMapping,
    status: JobStatus,
    reason: EndReason,
    ended: AttemptExit,
    values: Mapping[str, int] | None = None,
) -> JobStatus:
    """End the job."""
    move(connection, row, status, reason=reason, attempt_exit=ended, values=values)
    return status


def _last_crash(crashes: int, last: AttemptExit) -> EndReason:
    """Why a job ends that is not tried again."""
    story = _crash_story(crashes, last)
    if last.signal == SIGKILL:
        return EndReason(code=EndCode.OUT_OF_MEMORY, detail=f"{story} {_KILLED}")
    return EndReason(code=EndCode.CRASH_LOOP, detail=story)


def _crash_story(crashes: int, last: AttemptExit) -> str:
    """What is known of the attempts that failed, in a sentence."""
    known = []
    if last.signal is not None:
        known.append(f"killed by signal {last.signal}{_signal_name(last.signal)}")
    elif last.code is not None:
        known.append(f"exit code {last.code}")
    if last.detail:
        known.append(last.detail[:_LONGEST_STORY].rstrip("."))
    if not known:
        known.append(_STORIES[AttemptReason(last.reason or AttemptReason.CRASHED)])
    attempts = "1 attempt" if crashes == 1 else f"{crashes} attempts"
    return f"{attempts} failed; the last: {', '.join(known)}."


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return f" ({Signals(number).name})"
    return ""
