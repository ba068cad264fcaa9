"""Changes a stored job's status, except for the claim (attempts.py), and records the change.

The table of allowed transitions is in ridgeline.api.lifecycle.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import EndCode, EndReason, JobStatus, can_become
from ridgeline.failpoints import failpoint
from ridgeline.logs import storable
from ridgeline.storage.columns import RowReader, now_ms
from ridgeline.storage.errors import IllegalTransition
from ridgeline.storage.records.account import account_of
from ridgeline.storage.records.values import AttemptExit, EventType, LockedJob, Tally
from ridgeline.storage.tables import attempts, events, jobs

CANCELLED_BY_USER = EndReason(
    code=EndCode.CANCELLED_BY_USER, detail="The job was cancelled on request."
)
"""Why a job ended that a user cancelled."""

_ASKED = {JobStatus.QUEUED: "resumed"}
"""The verb shown to the user where it differs from the name of the status."""

LOCKED = RowReader(LockedJob, jobs)


def locked(connection: Connection, job_id: str) -> LockedJob | None:
    """Read and lock the job's row until the transaction ends; None if there is no such job."""
    statement = select(*LOCKED.columns).where(jobs.c.id == job_id).with_for_update()
    return LOCKED.read_one(connection.execute(statement))


def move(
    connection: Connection,
    job: LockedJob,
    after: JobStatus,
    *,
    reason: EndReason | None = None,
    attempt_exit: AttemptExit | None = None,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Change the status of a job that is locked() in this transaction.

    Writes the row (`values` too), the end of the attempt if it ends, and the event. A terminal
    status needs a `reason`. Raises IllegalTransition.
    """
    before: JobStatus = job.status
    if not can_become(before, after):
        raise IllegalTransition(job.id, before, _ASKED.get(after, after.value))
    changes: dict[str, Any] = {"status": after, "version": jobs.c.version + 1, **(values or {})}
    if before is JobStatus.PAUSED:
        changes["paused_at"] = None
    if not after.held:
        changes |= {"lease_owner": None, "lease_expires_at": None, "eta_s": None}
    if reason is not None:
        # The detail may quote a crashed trainer, and no text may keep a job from ending.
        reason = reason.model_copy(update={"detail": storable(reason.detail)})
        changes |= {
            "finished_at": now_ms(),
            "reason_code": reason.code.value,
            "reason_detail": reason.detail,
        }
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(changes))
    ended = None
    if before.held and not after.held:
        ended = attempt_exit or AttemptExit()
        code = reason.code.value if reason else None
        ended = replace(ended, reason=ended.reason or code)
        _end_attempt(connection, job, ended)
    add_status(connection, job, before, after, reason=reason, ended=ended)
    failpoint("move.before_commit")


def add_status(
    connection: Connection,
    job: LockedJob,
    before: JobStatus | None,
    after: JobStatus,
    *,
    reason: EndReason | None = None,
    ended: AttemptExit | None = None,
) -> None:
    """Record a transition in the job's events, in its log and in the counts."""
    payload = reason.model_dump_json() if reason else "{}"
    add_event(connection, job, EventType.STATUS, payload, before=before, after=after)
    account = account_of(connection)
    code = reason.code.value if reason else None
    account.add_transition(job, before, after, code, ended.reason if ended else None)
    if ended is not None and ended.publish_failed:
        account.count(Tally.PUBLISH_FAILURES)


def add_event(
    connection: Connection,
    job: LockedJob,
    kind: EventType,
    *payloads: str,
    before: JobStatus | None = None,
    after: JobStatus | None = None,
) -> None:
    """Append events to the job.

    Call it after the statement that locked the job's row. A job's events are then committed in the
    order of their ids: a reader that has seen one never sees an older one appear later.
    """
    common = {
        "job_id": job.id,
        "type": kind.value,
        "attempt": job.attempt,
        "fence": job.fence,
        "before": before,
        "after": after,
    }
    statement = insert(events).values(created_at=now_ms())
    connection.execute(statement, [{**common, "payload": payload} for payload in payloads])


def _end_attempt(connection: Connection, job: LockedJob, ended: AttemptExit) -> None:
    statement = (
        update(attempts)
        .where(attempts.c.job_id == job.id, attempts.c.attempt == job.attempt)
        .values(
            ended_at=now_ms(),
            reason=ended.reason,
            exit_code=ended.code,
            exit_signal=ended.signal,
            detail=None if ended.detail is None else storable(ended.detail),
        )
    )
    connection.execute(statement)
