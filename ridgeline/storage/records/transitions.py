"""The one way in which a stored job changes its status, and the trail it leaves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection, RowMapping

from ridgeline.api.lifecycle import EndCode, EndReason, JobStatus, can_become
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import now_ms
from ridgeline.storage.errors import IllegalTransition
from ridgeline.storage.records.account import account_of
from ridgeline.storage.records.values import AttemptExit, EventType, Tally
from ridgeline.storage.tables import attempts, events, jobs

CANCELLED_BY_USER = EndReason(
    code=EndCode.CANCELLED_BY_USER, detail="The job was cancelled on request."
)
"""Why a job ended that somebody asked to cancel."""

_ASKED = {JobStatus.QUEUED: "resumed"}
"""What was asked for by who is refused a status, where it has another name."""

LOCKED_COLUMNS = (
    jobs.c.id,
    jobs.c.status,
    jobs.c.attempt,
    jobs.c.fence,
    jobs.c.crash_count,
    jobs.c.drain_count,
)
"""What a decision about a job needs to know."""


def locked(connection: Connection, job_id: str) -> RowMapping | None:
    """Read what decides about a job, and keep it so until the transaction ends; None if unknown."""
    statement = select(*LOCKED_COLUMNS).where(jobs.c.id == job_id).with_for_update()
    return connection.execute(statement).mappings().one_or_none()


def move(
    connection: Connection,
    row: RowMapping,
    after: JobStatus,
    *,
    reason: EndReason | None = None,
    attempt_exit: AttemptExit | None = None,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Change the status of a job whose row is locked() in this transaction.

    Writes the row (with `values` besides), the end of the attempt if it ends, and the event.
    `reason` is needed for a terminal status. Raises IllegalTransition.
    """
    before: JobStatus = row["status"]
    if not can_become(before, after):
        raise IllegalTransition(row["id"], before, _ASKED.get(after, after.value))
    changes: dict[str, Any] = {"status": after, "version": jobs.c.version + 1, **(values or {})}
    if before is JobStatus.PAUSED:
        changes["paused_at"] = None
    if not after.held:
        changes |= {"lease_owner": None, "lease_expires_at": None, "eta_s": None}
    if reason is not None:
        reason = reason.model_copy(update={"detail": _storable(reason.detail)})
        changes |= {
            "finished_at": now_ms(),
            "reason_code": reason.code.value,
            "reason_detail": reason.detail,
        }
    connection.execute(update(jobs).where(jobs.c.id == row["id"]).values(changes))
    ended = None
    if before.held and not after.held:
        ended = attempt_exit or AttemptExit()
        code = reason.code.value if reason else None
        ended = replace(ended, reason=ended.reason or code)
        _end_attempt(connection, row, ended)
    add_status(connection, row, before, after, reason=reason, ended=ended)
    failpoint("move.before_commit")


def add_status(
    connection: Connection,
    row: RowMapping,
    before: JobStatus | None,
    after: JobStatus,
    *,
    reason: EndReason | None = None,
    ended: AttemptExit | None = None,
) -> None:
    """Append a change of status to what is told of the job of `row`: its events, log and counts."""
    payload = reason.model_dump_json() if reason else "{}"
    add_event(connection, row, EventType.STATUS, payload, before=before, after=after)
    account = account_of(connection)
    code = reason.code.value if reason else None
    account.moved(row, before, after, code, ended.reason if ended else None)
    if ended is not None and ended.publish_failed:
        account.count(Tally.PUBLISH_FAILURES)


def add_event(
    connection: Connection,
    row: RowMapping,
    kind: EventType,
    *payloads: str,
    before: JobStatus | None = None,
    after: JobStatus | None = None,
) -> None:
    """Append events to the job of `row` (its id, attempt and fence).

    Call it after the statement that locked the job's row: then a job's events are committed in the
    order of their ids, and a reader that has seen one never finds an older one later.
    """
    common = {
        "job_id": row["id"],
        "type": kind.value,
        "attempt": row["attempt"],
        "fence": row["fence"],
        "before": before,
        "after": after,
    }
    statement = insert(events).values(created_at=now_ms())
    connection.execute(statement, [{**common, "payload": payload} for payload in payloads])


def _storable(detail: str) -> str:
    """`detail` without what PostgreSQL refuses in text: NUL and lone surrogates.

    The detail may quote a crashed trainer, and ending a job must not fail over that.
    """
    return detail.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _end_attempt(connection: Connection, row: RowMapping, ended: AttemptExit) -> None:
    statement = (
        update(attempts)
        .where(attempts.c.job_id == row["id"], attempts.c.attempt == row["attempt"])
        .values(
            ended_at=now_ms(),
            reason=ended.reason,
            exit_code=ended.code,
            exit_signal=ended.signal,
            detail=None if ended.detail is None else _storable(ended.detail),
        )
    )
    connection.execute(statement)
