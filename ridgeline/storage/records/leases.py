"""A worker's hold on a job: claim it, renew the lease by heartbeats, record, finish, release.

The reaper, which ends expired leases, is here too. Every write carries the fence of its claim, and
a newer claim has a higher one. So a worker that was suspended, cut off or replaced changes nothing:
its calls return None or False, and it must stop.
"""

import json
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.curves import EpochRow
from ridgeline.api.lifecycle import HELD, EndCode, EndReason, JobStatus, can_become
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import RowReader, milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import DatabaseUnavailable, NonFiniteValue
from ridgeline.storage.records.attempts import (
    CLAIMABLE,
    CRASH_CAP,
    CrashPolicy,
    checkpoint_at,
    claim_job,
    end,
    pause,
    requeue,
)
from ridgeline.storage.records.epochs import replace_epochs, store_epochs
from ridgeline.storage.records.events import add_lines
from ridgeline.storage.records.status_changes import (
    CANCELLED_BY_USER,
    LOCKED,
    locked,
    move,
)
from ridgeline.storage.records.tracking import track
from ridgeline.storage.records.values import (
    ArtifactRecord,
    AttemptExit,
    AttemptReason,
    Claim,
    HeartbeatAnswer,
    LockedJob,
    LogLine,
    Reaped,
)
from ridgeline.storage.tables import QUEUED, artifacts, jobs, reports

LEASE_S = 30.0
"""Seconds without a heartbeat after which a worker loses its job."""
_SILENT = AttemptExit(reason=AttemptReason.LEASE_EXPIRED)
_LATE = EndReason(
    code=EndCode.DEADLINE_EXCEEDED, detail="The job had not ended when its deadline passed."
)


@dataclass(frozen=True, kw_only=True)
class _OverdueJob(LockedJob):
    late: bool | None
    """Whether its deadline has passed; None without one."""


_OVERDUE = RowReader(_OverdueJob, jobs, late=jobs.c.deadline_at <= now_ms())
_LATE_IN_QUEUE = RowReader(_OverdueJob, jobs, late=literal(value=True))

_NEXT = select(jobs.c.id).where(*CLAIMABLE).order_by(jobs.c.available_at).limit(1)
"""The job that has been claimable for longest."""


class LeaseStore:
    """The writes of workers and of the reaper. `jitter` returns numbers in [0, 1).

    Claimed jobs are tracked in the MLflow `experiment`, if there is one.
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
        self._crashes = CrashPolicy(crash_cap, jitter)

    def claim(self, job_id: str, owner: str, lease_s: float = LEASE_S) -> Claim | None:
        """Claim a queued job for `lease_s` seconds; None if it cannot be claimed: drop the hint.

        The epochs of earlier attempts stay until this one reports: it may resume from there.
        """
        with self._database.write() as connection:
            return self._claim(connection, job_id, owner, lease_s)

    def any_claimable(self) -> bool:
        """Return whether claim_next() would find a job now."""
        with self._database.read() as connection:
            return connection.execute(_NEXT).first() is not None

    def claim_next(self, owner: str, lease_s: float = LEASE_S) -> Claim | None:
        """Claim the job that has been claimable for longest; None if there is none.

        With this a worker finds jobs without the broker.
        """
        if not self.any_claimable():  # most calls find no job and need no lock
            return None
        unlocked = _NEXT.with_for_update(skip_locked=True)
        with self._database.write() as connection:
            job_id = connection.execute(unlocked).scalar_one_or_none()
            return None if job_id is None else self._claim(connection, job_id, owner, lease_s)

    def heartbeat(self, claim: Claim, lease_s: float = LEASE_S) -> HeartbeatAnswer | None:
        """Extend the lease and return the job's status; None if the job is lost: kill the trainer.

        A late heartbeat renews an expired lease unless the reaper was first.
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

    def checkpointed(self, claim: Claim, epoch: int) -> bool:
        """Record that a checkpoint at `epoch` is safe; False if the job is lost.

        If it is the furthest one, earlier crashes no longer count towards the cap.
        """
        statement = update(jobs).where(*_still(claim)).values(checkpoint_at(epoch))
        with self._database.write() as connection:
            return connection.execute(statement).rowcount > 0

    def resume(self, claim: Claim, rows: Sequence[EpochRow], until: int) -> HeartbeatAnswer | None:
        """Resume the job after the epoch `until`; None if it is lost: kill the trainer.

        `rows` are some of the epochs up to `until`, in order; any number of calls may send them.
        Those that earlier attempts have stored stay and emit no second event; later ones are
        removed. A call whose reply was lost can be repeated until this attempt records an epoch.
        """
        changes: dict[str, Any] = {"version": jobs.c.version + 1, "progress_epoch": until}
        # Its writer may have been killed before it could report the checkpoint.
        changes |= checkpoint_at(until, crashed_since=True)
        if rows and rows[-1].epoch == until:
            changes["metrics"] = _finite_json(rows[-1].values)
        statement = update(jobs).where(*_still(claim)).values(changes).returning(*LOCKED.columns)
        with self._database.write() as connection:
            held = LOCKED.read_one(connection.execute(statement))
            if held is None:
                return None
            replace_epochs(connection, held, rows, until)
            failpoint("resume.before_commit")
        return HeartbeatAnswer(held.status)

    def record_epochs(
        self,
        claim: Claim,
        rows: Sequence[EpochRow],
        eta_s: float | None,
        lines: Sequence[LogLine] = (),
    ) -> HeartbeatAnswer | None:
        """Store epochs, the seconds left and log lines; None if the job is lost: kill the trainer.

        An epoch that this attempt reported before is not changed: a call whose reply was lost can
        be repeated. Rows of earlier attempts are removed from the first of these epochs on.
        """
        changes: dict[str, Any] = {
            "version": jobs.c.version + 1,
            "progress_at": now_ms(),
            "eta_s": eta_s,
        }
        if rows:
            last = max(rows, key=lambda row: row.epoch)
            changes |= {"progress_epoch": last.epoch, "metrics": _finite_json(last.values)}
        statement = update(jobs).where(*_still(claim)).values(changes).returning(*LOCKED.columns)
        with self._database.write() as connection:
            held = LOCKED.read_one(connection.execute(statement))
            if held is None:
                return None
            store_epochs(connection, held, rows)
            add_lines(connection, held, lines)
            failpoint("epochs.before_commit")
        return HeartbeatAnswer(held.status)

    def write_log(self, claim: Claim, lines: Sequence[LogLine]) -> HeartbeatAnswer | None:
        """Store log lines, even of an attempt that has ended.

        Returns None, and drops the lines, if a newer attempt has begun.
        """
        with self._database.write() as connection:
            job = _locked_by(connection, claim)
            if job is None:
                return None
            add_lines(connection, job, lines)
        return HeartbeatAnswer(job.status)

    def finish(  # noqa: PLR0913 - what a job ends with, each part with its default
        self,
        claim: Claim,
        status: JobStatus,
        reason: EndReason,
        *,
        metrics: Mapping[str, float | None] | None = None,
        artifacts: Sequence[ArtifactRecord] = (),
        report: str | None = None,
        remarks: Sequence[Mapping[str, Any]] = (),
        attempt_exit: AttemptExit | None = None,
    ) -> bool:
        """End the job in a terminal `status`, and publish its `artifacts` and its report.

        Without `metrics` those of the last epoch stay. `report` is an api Report as JSON;
        `remarks`, each an Advice, are added to the job's advice.

        Returns False, and writes nothing, if the job is lost or its status does not allow it: a job
        that is being cancelled never succeeds, so check heartbeat() and finish it as cancelled.
        Returns True also if this attempt has ended it in that status before. Raises NonFiniteValue
        if a metric is NaN or infinite; ValueError if `status` is not terminal.
        """
        if not status.terminal:
            raise ValueError(f"received the status {status.value!r}; expected a terminal one")
        values = {"metrics": _finite_json(metrics)} if metrics else {}
        with self._database.write() as connection:
            job = _locked_by(connection, claim)
            if job is None or job.status is status:
                return job is not None
            if not (job.status.held and can_become(job.status, status)):
                return False
            _publish(connection, claim.job_id, artifacts)
            if report is not None:
                connection.execute(insert(reports).values(job_id=claim.job_id, report=report))
            if remarks:
                values["advice"] = _with_remarks(connection, job.id, remarks)
            move(connection, job, status, reason=reason, attempt_exit=attempt_exit, values=values)
            failpoint("finish.before_commit")
            return True

    def release(
        self,
        claim: Claim,
        *,
        penalized: bool,
        delay_s: float | None = None,
        attempt_exit: AttemptExit | None = None,
    ) -> JobStatus | None:
        """Release the job to be retried; returns its new status, or None if it was lost.

        A drained job (not `penalized`) is queued again after `delay_s` or at once. A crash
        (`penalized`) counts: the job is queued after `delay_s` or a backoff, or fails at the crash
        cap. A job that is being cancelled is cancelled instead, one being paused is paused.
        """
        ended = attempt_exit or AttemptExit()
        with self._database.write() as connection:
            job = _locked_by(connection, claim)
            if job is None or not job.status.held:
                return None
            if penalized:
                ended = replace(ended, reason=AttemptReason.CRASHED)
                return self._crashes.end_attempt(connection, job, ended, delay_s)
            return _drain(connection, job, ended, delay_s or 0.0)

    def hand_back(self, owner: str, besides: Collection[str]) -> list[str]:
        """Release, without penalty, the jobs that `owner` holds `besides` those it knows of.

        Returns their ids. They were claimed, but the reply to the claim was lost.
        """
        unknown = (
            select(*LOCKED.columns)
            .where(jobs.c.lease_owner == owner, jobs.c.status.in_(HELD))
            .where(jobs.c.id.not_in(besides))
            .with_for_update()
        )
        with self._database.write() as connection:
            released = LOCKED.read_all(connection.execute(unknown))
            for job in released:
                _drain(connection, job, AttemptExit(detail="The reply to its claim was lost."), 0.0)
            return [job.id for job in released]

    def ping(self) -> None:
        """Check that the database responds; raises DatabaseUnavailable."""
        self._database.ping()

    def reap(self, limit: int = 100, deadline_grace_s: float = LEASE_S) -> list[Reaped]:
        """Take jobs from workers without heartbeats, and from those that ignore a deadline.

        An expired lease counts as a crash, unless the deadline has passed too: then the job fails
        with `deadline_exceeded`. So does one that is `deadline_grace_s` past its deadline although
        its worker sends heartbeats, and one whose deadline passes while it waits for a retry. A job
        that is being cancelled is cancelled in any case.

        A slow database has delayed the workers' heartbeats too: raises DatabaseUnavailable then,
        and reaps nothing.
        """
        started = time.monotonic()
        expired = jobs.c.lease_expires_at <= now_ms()
        ignored = jobs.c.deadline_at <= now_ms() - milliseconds(deadline_grace_s)
        overdue = (
            select(*_OVERDUE.columns)
            .where(jobs.c.status.in_(HELD), or_(expired, ignored))
            .order_by(jobs.c.lease_expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            reaped = _OVERDUE.read_all(connection.execute(overdue))
            waited_s = time.monotonic() - started
            if waited_s > deadline_grace_s / 2:
                raise DatabaseUnavailable(f"It took {waited_s:.1f} s to respond to the reaper.")
            if len(reaped) < limit:
                reaped += _LATE_IN_QUEUE.read_all(connection.execute(_late_in_queue(limit)))
            return [Reaped(job.id, self._reap_one(connection, job)) for job in reaped]

    def _claim(
        self, connection: Connection, job_id: str, owner: str, lease_s: float
    ) -> Claim | None:
        claim = claim_job(connection, job_id, owner, lease_s)
        if claim is not None and self._experiment is not None:
            track(connection, [job_id], self._experiment, owner, lease_s)
        return claim

    def _reap_one(self, connection: Connection, job: _OverdueJob) -> JobStatus:
        if not job.late or job.status is JobStatus.CANCELLING:
            return self._crashes.end_attempt(connection, job, _SILENT)
        return end(connection, job, JobStatus.FAILED, _LATE, AttemptExit())


def _late_in_queue(limit: int) -> Select[Any]:
    """Jobs whose deadline has passed in the queue; a job gets its deadline with its first claim."""
    return (
        select(*_LATE_IN_QUEUE.columns)
        .where(QUEUED, jobs.c.deadline_at <= now_ms())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _drain(connection: Connection, job: LockedJob, ended: AttemptExit, delay_s: float) -> JobStatus:
    """Queue the job again in `delay_s` seconds; cancel or pause it as asked."""
    if job.status is JobStatus.PAUSING:
        return pause(connection, job, replace(ended, reason=AttemptReason.PAUSED))
    ended = replace(ended, reason=AttemptReason.DRAINED)
    if job.status is JobStatus.CANCELLING:
        return end(connection, job, JobStatus.CANCELLED, CANCELLED_BY_USER, ended)
    drains = {"drain_count": job.drain_count + 1}
    return requeue(connection, job, ended, delay_s, drains)


def _still(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The guard of every write by a worker: its claim is the newest and the job is still held."""
    return (
        jobs.c.id == claim.job_id,
        jobs.c.fence == claim.fence,
        jobs.c.status.in_(HELD),
    )


def _locked_by(connection: Connection, claim: Claim) -> LockedJob | None:
    job = locked(connection, claim.job_id)
    return job if job is not None and job.fence == claim.fence else None


def _publish(connection: Connection, job_id: str, files: Sequence[ArtifactRecord]) -> None:
    if files:
        connection.execute(
            insert(artifacts), [{"job_id": job_id, **asdict(file)} for file in files]
        )


def _with_remarks(connection: Connection, job_id: str, remarks: Sequence[Mapping[str, Any]]) -> str:
    """The job's advice as JSON, with `remarks` at its end."""
    advice = connection.execute(select(jobs.c.advice).where(jobs.c.id == job_id)).scalar_one()
    return json.dumps([*json.loads(advice), *remarks])


def _finite_json(metrics: Mapping[str, float | None]) -> str:
    """`metrics` as JSON, which has no NaN; raises NonFiniteValue."""
    nonfinite = [
        name for name, value in metrics.items() if value is not None and not isfinite(value)
    ]
    if nonfinite:
        raise NonFiniteValue(nonfinite)
    return json.dumps(metrics, allow_nan=False)
