"""Jobs as a worker sees them: claim, heartbeat, record, finish, release; and the reaper.

Every write names the fence of its claim. A newer claim has a higher fence, so a worker that was
paused, cut off or replaced changes nothing: its calls answer None or False, and it must stop.
"""

import json
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from math import isfinite
from typing import Any

from sqlalchemy import (
    Select,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.curves import EpochRow
from ridgeline.api.lifecycle import HELD, EndCode, EndReason, JobStatus, can_become
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import DatabaseUnavailable, NonFiniteValue
from ridgeline.storage.records.attempts import (
    CLAIMABLE,
    CRASH_CAP,
    Retries,
    end,
    pause,
    requeue,
    take,
)
from ridgeline.storage.records.epochs import replace_epochs, store_epochs
from ridgeline.storage.records.logs import add_lines
from ridgeline.storage.records.tracking import track
from ridgeline.storage.records.transitions import (
    CANCELLED_BY_USER,
    LOCKED_COLUMNS,
    locked,
    move,
)
from ridgeline.storage.records.values import (
    ArtifactRecord,
    AttemptExit,
    AttemptReason,
    Claim,
    HeartbeatAnswer,
    LogLine,
    Reaped,
)
from ridgeline.storage.tables import QUEUED, artifacts, jobs, reports

LEASE_S = 30.0
"""Seconds a worker may be silent before its job is taken from it."""

_NEXT = select(jobs.c.id).where(*CLAIMABLE).order_by(jobs.c.available_at).limit(1)


class LeaseStore:
    """What workers and the reaper write. `jitter` gives numbers in [0, 1).

    Jobs that are claimed are tracked in the MLflow `experiment`, if there is one.
    """

    def __init__(
        self,
        database: Database,
        *,
        crash_cap: int = CRASH_CAP,
        jitter: Callable[[], float] = random.random,
        experiment: str | None = None,
    ) -> None:
        self._database = database
        self._experiment = experiment
        self._retries = Retries(crash_cap, jitter)

    def claim(self, job_id: str, owner: str, lease_s: float = LEASE_S) -> Claim | None:
        """Take a queued job for `lease_s` seconds; None if it is not to be had: drop the hint.

        What the attempt before has measured stands until this one reports: it may go on from there.
        """
        with self._database.write() as connection:
            return self._take(connection, job_id, owner, lease_s)

    def any_claimable(self) -> bool:
        """Return whether claim_next() would find a job now."""
        with self._database.read() as connection:
            return connection.execute(_NEXT).first() is not None

    def claim_next(self, owner: str, lease_s: float = LEASE_S) -> Claim | None:
        """Take the job that has been claimable for longest, as claim() does; None: there is none.

        So a worker finds its work without the broker.
        """
        if not self.any_claimable():  # most calls find nothing and need no lock
            return None
        unlocked = _NEXT.with_for_update(skip_locked=True)
        with self._database.write() as connection:
            job_id = connection.execute(unlocked).scalar_one_or_none()
            return None if job_id is None else self._take(connection, job_id, owner, lease_s)

    def heartbeat(self, claim: Claim, lease_s: float = LEASE_S) -> HeartbeatAnswer | None:
        """Extend the lease and learn whether to stop; None if the job is lost: kill the trainer.

        A late beat revives a lease that has expired, as long as no reaper came first.
        """
        statement = (
            update(jobs)
            .where(*_still(claim))
            .values(lease_expires_at=now_ms() + milliseconds(lease_s))
            .returning(jobs.c.status)
        )
        with self._database.write() as connection:
            status = connection.execute(statement).scalar_one_or_none()
        return None if status is None else HeartbeatAnswer(status)

    def resume(self, claim: Claim, rows: Sequence[EpochRow], until: int) -> HeartbeatAnswer | None:
        """Let the job go on behind the epoch `until`; None if it is lost: kill the trainer.

        `rows` are some of those up to there, in order, in any number of calls. What earlier
        attempts have stored of them stands, and is not told again; what they have stored behind is
        removed. A call whose answer was lost can be repeated, as long as no epoch of this attempt
        is recorded.
        """
        changes: dict[str, Any] = {"version": jobs.c.version + 1, "progress_epoch": until}
        if rows and rows[-1].epoch == until:
            changes["metrics"] = _finite_json(rows[-1].values)
        statement = update(jobs).where(*_still(claim)).values(changes).returning(*LOCKED_COLUMNS)
        with self._database.write() as connection:
            held = connection.execute(statement).mappings().one_or_none()
            if held is None:
                return None
            replace_epochs(connection, held, rows, until)
            failpoint("resume.before_commit")
        return HeartbeatAnswer(held["status"])

    def record_epochs(
        self,
        claim: Claim,
        rows: Sequence[EpochRow],
        eta_s: float | None,
        lines: Sequence[LogLine] = (),
    ) -> HeartbeatAnswer | None:
        """Store epochs, the seconds left and lines of the log; None if the job is lost.

        Kill the trainer then. An epoch this attempt has reported before stays as it is, so a call
        whose answer was lost can be repeated. Earlier attempts' rows are removed from the first of
        these epochs on.
        """
        changes: dict[str, Any] = {
            "version": jobs.c.version + 1,
            "progress_at": now_ms(),
            "eta_s": eta_s,
        }
        if rows:
            last = max(rows, key=lambda row: row.epoch)
            changes |= {"progress_epoch": last.epoch, "metrics": _finite_json(last.values)}
        statement = update(jobs).where(*_still(claim)).values(changes).returning(*LOCKED_COLUMNS)
        with self._database.write() as connection:
            held = connection.execute(statement).mappings().one_or_none()
            if held is None:
                return None
            store_epochs(connection, held, rows)
            add_lines(connection, held, lines)
            failpoint("epochs.before_commit")
        return HeartbeatAnswer(held["status"])

    def write_log(self, claim: Claim, lines: Sequence[LogLine]) -> HeartbeatAnswer | None:
        """Store lines of the log, even of an attempt that has ended; None if a newer one has begun.

        The lines are lost then.
        """
        with self._database.write() as connection:
            row = _locked_by(connection, claim)
            if row is None:
                return None
            add_lines(connection, row, lines)
        return HeartbeatAnswer(row["status"])

    def finish(
        self,
        claim: Claim,
        status: JobStatus,
        reason: EndReason,
        *,
        metrics: Mapping[str, float | None] | None = None,
        artifacts: Sequence[ArtifactRecord] = (),
        report: str | None = None,
        attempt_exit: AttemptExit | None = None,
    ) -> bool:
        """End the job in a terminal `status`, publishing `artifacts` with it, and its report.

        Without `metrics` those of the last epoch stay. `report` is a contract Report as JSON.

        False, and nothing is written, if the job is lost or if its status does not allow it: a job
        whose cancellation was asked for never succeeds, so look at heartbeat() and finish it as
        cancelled. True as well if this attempt has ended it so before (a lost answer). Raises
        NonFiniteValue if a metric is NaN or infinite; ValueError if `status` is not terminal.
        """
        if not status.terminal:
            raise ValueError(f"received the status {status.value!r}; expected a terminal one")
        values = {"metrics": _finite_json(metrics)} if metrics else {}
        with self._database.write() as connection:
            row = _locked_by(connection, claim)
            if row is None or row["status"] is status:
                return row is not None
            if not (row["status"].held and can_become(row["status"], status)):
                return False
            _publish(connection, claim.job_id, artifacts)
            if report is not None:
                connection.execute(insert(reports).values(job_id=claim.job_id, report=report))
            move(connection, row, status, reason=reason, attempt_exit=attempt_exit, values=values)
            failpoint("finish.before_commit")
            return True

    def release(
        self,
        claim: Claim,
        *,
        penalised: bool,
        delay_s: float | None = None,
        attempt_exit: AttemptExit | None = None,
    ) -> JobStatus | None:
        """Give the job back to be tried again; returns what became of it, None if it was lost.

        A drain (not `penalised`) is queued again after `delay_s` or at once. A crash (`penalised`)
        counts: it is queued after `delay_s` or the backoff, or fails at the crash cap. A job that
        is being cancelled is cancelled instead, and one that is being paused is paused.
        """
        ended = attempt_exit or AttemptExit()
        with self._database.write() as connection:
            row = _locked_by(connection, claim)
            if row is None or not row["status"].held:
                return None
            if penalised:
                ended = replace(ended, reason=AttemptReason.CRASHED)
                return self._retries.crashed(connection, row, ended, delay_s)
            return _drained(connection, row, ended, delay_s or 0.0)

    def hand_back(self, owner: str, besides: Collection[str]) -> list[str]:
        """Give back, unpenalised, the jobs that `owner` holds `besides` those that it knows of.

        Returns their ids. They were claimed, and the answer to the claim was lost.
        """
        unknown = (
            select(*LOCKED_COLUMNS)
            .where(jobs.c.lease_owner == owner, jobs.c.status.in_(HELD))
            .where(jobs.c.id.not_in(besides))
            .with_for_update()
        )
        with self._database.write() as connection:
            rows = connection.execute(unknown).mappings().all()
            for row in rows:
                _drained(connection, row, AttemptExit(detail="Its claim had no answer."), 0.0)
            return [row["id"] for row in rows]

    def ping(self) -> None:
        """Ask the database for a sign of life; raises DatabaseUnavailable."""
        self._database.ping()

    def reap(self, limit: int = 100, deadline_grace_s: float = LEASE_S) -> list[Reaped]:
        """Take jobs from workers that fell silent, and from those that ignore a deadline.

        An expired lease counts as a crash, unless the deadline has passed too: then the job fails
        with `deadline_exceeded`. So does one that is `deadline_grace_s` past its deadline although
        its worker still beats, and one whose deadline passes while it waits to be tried again. A
        job that is being cancelled is cancelled in every case.

        A database that answers late held the workers' beats back too: raises DatabaseUnavailable
        then, and takes nothing.
        """
        asked = time.monotonic()
        expired = jobs.c.lease_expires_at <= now_ms()
        ignored = jobs.c.deadline_at <= now_ms() - milliseconds(deadline_grace_s)
        overdue = (
            select(*LOCKED_COLUMNS, (jobs.c.deadline_at <= now_ms()).label("late"))
            .where(jobs.c.status.in_(HELD), or_(expired, ignored))
            .order_by(jobs.c.lease_expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            rows = connection.execute(overdue).mappings().all()
            waited_s = time.monotonic() - asked
            if waited_s > deadline_grace_s / 2:
                raise DatabaseUnavailable(f"it took {waited_s:.1f} s to answer the reaper")
            if len(rows) < limit:
                rows = [*rows, *connection.execute(_waiting_in_vain(limit)).mappings()]
            return [Reaped(row["id"], self._reap_one(connection, row)) for row in rows]

    def _take(
        self, connection: Connection, job_id: str, owner: str, lease_s: float
    ) -> Claim | None:
        claim = take(connection, job_id, owner, lease_s)
        if claim is not None and self._experiment is not None:
            track(connection, [job_id], self._experiment, owner, lease_s)
        return claim

    def _reap_one(self, connection: Connection, row: RowMapping) -> JobStatus:
        if not row["late"] or row["status"] is JobStatus.CANCELLING:
            return self._retries.crashed(connection, row, _SILENT)
        return end(connection, row, JobStatus.FAILED, _LATE, AttemptExit())


_SILENT = AttemptExit(reason=AttemptReason.LEASE_EXPIRED)
_LATE = EndReason(
    code=EndCode.DEADLINE_EXCEEDED, detail="The job had not ended when its deadline passed."
)


def _waiting_in_vain(limit: int) -> Select[Any]:
    """Jobs whose deadline has passed in the queue; a job gets its deadline with its first claim."""
    return (
        select(*LOCKED_COLUMNS, literal(value=True).label("late"))
        .where(QUEUED, jobs.c.deadline_at <= now_ms())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _drained(
    connection: Connection, row: RowMapping, ended: AttemptExit, delay_s: float
) -> JobStatus:
    """Queue the job again in `delay_s` seconds; cancel or pause it as asked."""
    if row["status"] is JobStatus.PAUSING:
        return pause(connection, row, replace(ended, reason=AttemptReason.PAUSED))
    ended = replace(ended, reason=AttemptReason.DRAINED)
    if row["status"] is JobStatus.CANCELLING:
        return end(connection, row, JobStatus.CANCELLED, CANCELLED_BY_USER, ended)
    drains = {"drain_count": row["drain_count"] + 1}
    return requeue(connection, row, ended, delay_s, drains)


def _still(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The guard of every write by a worker: its claim is the newest, and the job is still held."""
    return (
        jobs.c.id == claim.job_id,
        jobs.c.fence == claim.fence,
        jobs.c.status.in_(HELD),
    )


def _locked_by(connection: Connection, claim: Claim) -> RowMapping | None:
    row = locked(connection, claim.job_id)
    return row if row is not None and row["fence"] == claim.fence else None


def _publish(connection: Connection, job_id: str, files: Sequence[ArtifactRecord]) -> None:
    if files:
        connection.execute(
            insert(artifacts), [{"job_id": job_id, **asdict(file)} for file in files]
        )


def _finite_json(metrics: Mapping[str, float | None]) -> str:
    """`metrics` as JSON; raises NonFiniteValue, for NaN is not JSON."""
    wrong = [name for name, value in metrics.items() if value is not None and not isfinite(value)]
    if wrong:
        raise NonFiniteValue(wrong)
    return json.dumps(metrics, allow_nan=False)
