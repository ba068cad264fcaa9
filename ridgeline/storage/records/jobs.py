"""Jobs as the API sees them: create, read, list, cancel, pause, resume, delete."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Select,
    delete,
    func,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage import tables
from ridgeline.storage.columns import RowReader, count_fitting, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import IdempotencyConflict, IllegalTransition, UnknownJob
from ridgeline.storage.records.attempts import attempts_at
from ridgeline.storage.records.creation import (
    RECORD,
    Outcome,
    Rejection,
    Stored,
    Submission,
    create_all,
    original,
)
from ridgeline.storage.records.epochs import epoch_pages, epochs_at
from ridgeline.storage.records.events import events_after
from ridgeline.storage.records.outbox import add_hint
from ridgeline.storage.records.status_changes import CANCELLED_BY_USER, locked, move
from ridgeline.storage.records.thinning import thinned_rows
from ridgeline.storage.records.values import (
    ArtifactRecord,
    AttemptRecord,
    Created,
    EventRecord,
    Idempotency,
    JobRecord,
    LockedJob,
    NewJob,
    Page,
    Tally,
)
from ridgeline.storage.tables import artifacts, job_tags, jobs


class JobStore:
    """The jobs in a database. The operations of workers are in LeaseStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewJob, idempotency: Idempotency | None = None) -> Created:
        """Store a queued job with its hint to the broker, or return the one its key created before.

        When this returns, the job is durable. Raises IdempotencyConflict if the key was used with
        another body, and UnknownDataset if its data set does not exist.
        """
        (outcome,) = self.create_all([(new, idempotency)])
        if isinstance(outcome, Rejection):
            raise outcome
        return outcome

    def create_all(self, submissions: Sequence[Submission]) -> list[Created | Rejection]:
        """Like create() for many jobs in one transaction; returns errors instead of raising them.

        When this returns, all jobs without an error are durable; if it raises, none is stored.
        """
        with self._database.write() as connection:
            outcomes = create_all(connection, submissions)
        return [
            self._created(submission, outcome)
            for submission, outcome in zip(submissions, outcomes, strict=True)
        ]

    def created_by(self, idempotency: Idempotency) -> Created | None:
        """The job that the key created before, or None; raises IdempotencyConflict."""
        with self._database.read() as connection:
            outcome = original(connection, idempotency)
        if isinstance(outcome, IdempotencyConflict):
            raise outcome
        record = None if outcome is None else self.get(outcome)
        return None if record is None else Created(record, replayed=True, outbox_id=None)

    def get(self, job_id: str) -> JobRecord | None:
        """The job, or None if there is none with this id."""
        with self._database.read() as connection:
            return next(iter(_loaded(connection, job_id)), None)

    def versions(self, job_ids: Collection[str]) -> dict[str, int]:
        """The versions of those jobs that exist: the cheapest way to see whether they changed."""
        statement = select(jobs.c.id, jobs.c.version).where(jobs.c.id.in_(job_ids))
        with self._database.read() as connection:
            return {row.id: row.version for row in connection.execute(statement)}

    def request_cancel(self, job_id: str) -> JobRecord:
        """Cancel a waiting job at once; have the worker of a running one stop it.

        Once this returns, the job never succeeds. Repeating the request changes nothing. Raises
        UnknownJob, and IllegalTransition for a job that has ended.
        """
        with self._database.write() as connection:
            job = _existing(connection, job_id)
            requested = {"cancel_requested_at": now_ms()}
            if job.status in (JobStatus.RUNNING, JobStatus.PAUSING):
                move(connection, job, JobStatus.CANCELLING, values=requested)
            elif job.status is not JobStatus.CANCELLING:
                move(
                    connection, job, JobStatus.CANCELLED, reason=CANCELLED_BY_USER, values=requested
                )
            return _loaded(connection, job_id)[0]

    def request_pause(self, job_id: str) -> JobRecord:
        """Pause a waiting job at once; have the worker of a running one release it.

        Repeating the request changes nothing. Raises UnknownJob, and IllegalTransition for a job
        that is being cancelled or has ended.
        """
        with self._database.write() as connection:
            job = _existing(connection, job_id)
            if job.status is JobStatus.RUNNING:
                move(connection, job, JobStatus.PAUSING)
            elif job.status not in (JobStatus.PAUSING, JobStatus.PAUSED):
                move(connection, job, JobStatus.PAUSED, values={"paused_at": now_ms()})
            return _loaded(connection, job_id)[0]

    def request_resume(self, job_id: str) -> JobRecord:
        """Queue a paused job again; the pause does not count towards its deadline.

        A job that its worker has not released yet continues there or is queued again. A queued or
        running job is unchanged. Raises UnknownJob, and IllegalTransition for a job that is being
        cancelled or has ended.
        """
        with self._database.write() as connection:
            job = _existing(connection, job_id)
            if job.status is JobStatus.PAUSING:
                move(connection, job, JobStatus.RUNNING)
            elif job.status not in (JobStatus.RUNNING, JobStatus.QUEUED):
                paused = now_ms() - type_coerce(jobs.c.paused_at, BigInteger)
                later = type_coerce(jobs.c.deadline_at, BigInteger) + paused
                values = {"available_at": now_ms(), "deadline_at": later}
                move(connection, job, JobStatus.QUEUED, values=values)
                add_hint(connection, job_id)
            return _loaded(connection, job_id)[0]

    def delete(self, job_id: str) -> tuple[str, ...]:
        """Delete an ended job with all its rows; returns the keys of its files, to be deleted.

        Its idempotency key is free again. Raises UnknownJob, and IllegalTransition for a job that
        has not ended.
        """
        with self._database.write() as connection:
            job = _existing(connection, job_id)
            if not job.status.terminal:
                raise IllegalTransition(job_id, job.status, "deleted before it has ended")
            keys = select(artifacts.c.key).where(artifacts.c.job_id == job_id)
            # Read to the end first: SQLite's cursor would skip rows that are deleted meanwhile.
            files = tuple(connection.execute(keys).scalars())
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
            failpoint("delete.before_commit")
            return files

    def epoch_pages(self, job_id: str, size: int = 2000) -> Iterator[list[str]]:
        """The job's epochs as the JSON of EpochRow, in order, up to `size` at a time.

        No connection is held between two pages. The pages end early if a new attempt removes rows
        that were read.
        """
        return epoch_pages(self._database, job_id, size)

    def epochs_at(self, job_id: str, numbers: Collection[int]) -> list[str]:
        """Those of the epochs `numbers` that the job has, as the JSON of EpochRow, in order."""
        return epochs_at(self._database, job_id, numbers)

    def thinned_epochs(self, job_id: str, max_points: int) -> list[str]:
        """The JSON of at most `max_points` of the job's epochs: the first, the last, the extremes.

        They include the least and the greatest value of every series, if there is room for them.
        """
        with self._database.read() as connection:
            return thinned_rows(connection, job_id, max_points)

    def report(self, job_id: str) -> str | None:
        """The job's report as JSON; None if it has none, or has not ended."""
        table = tables.reports
        with self._database.read() as connection:
            statement = select(table.c.report).where(table.c.job_id == job_id)
            return connection.execute(statement).scalar_one_or_none()

    def events(self, job_id: str, after: int = 0, limit: int = 1000) -> list[EventRecord]:
        """Up to `limit` of the job's events with an id above `after`, oldest first."""
        with self._database.read() as connection:
            return events_after(connection, job_id, after, limit)

    def attempts(self, job_id: str) -> tuple[AttemptRecord, ...]:
        """Every attempt at the job, oldest first; empty if there is no such job."""
        with self._database.read() as connection:
            return attempts_at(connection, job_id)

    def any_started(self) -> bool:
        """Whether any job of this database was ever started, even if it was deleted since."""
        table = tables.tallies
        started = select(table.c.name).where(table.c.name == Tally.ATTEMPTS_STARTED.value).limit(1)
        with self._database.read() as connection:
            return connection.execute(started).first() is not None

    def list(
        self,
        status: Collection[JobStatus] | None = None,
        tag: str | None = None,
        limit: int = 50,
        after: str | None = None,
        max_bytes: int | None = None,
    ) -> Page:
        """Up to `limit` jobs, newest first, with any of `status` and with the tag, after `after`.

        A job that is created between two pages moves none of the others. A page ends early if the
        JSON of its jobs would exceed `max_bytes`, but it has at least one job.
        """
        if status is not None and not status:
            return Page((), None)
        newest = _newest_ids(status, tag, after, limit + 1).subquery()
        statement = select(jobs.c.id, _SIZE.label("size")).join(newest, newest.c.id == jobs.c.id)
        with self._database.read() as connection:
            sizes: dict[str, int] = dict(
                connection.execute(statement.order_by(jobs.c.id.desc())).all()
            )
            ids = list(sizes)[: count_fitting(list(sizes.values())[:limit], max_bytes)]
            records = _with_artifacts(connection, _newest(ids))
        return Page(records, records[-1].id if len(sizes) > len(records) else None)

    def _created(self, submission: Submission, outcome: Outcome) -> Created | Rejection:
        if isinstance(outcome, Rejection):
            return outcome
        if isinstance(outcome, Stored):
            return Created(outcome.record, replayed=False, outbox_id=outcome.outbox_id)
        record = None if outcome.job_id is None else self.get(outcome.job_id)
        if record is None:  # job and key were deleted in the meantime
            return self.create_all([submission])[0]
        return Created(record, replayed=True, outbox_id=None)


_ARTIFACT = RowReader(ArtifactRecord, artifacts)
_SIZE = (
    func.length(jobs.c.spec, type_=Integer)
    + func.length(jobs.c.resolved)
    + func.length(jobs.c.penalties)
    + func.length(jobs.c.advice)
)
"""About the length of a job's JSON: its other columns are short."""


def _newest_ids(
    status: Collection[JobStatus] | None, tag: str | None, after: str | None, limit: int
) -> Select[str]:
    """The ids of the newest jobs, by walking indexes only.

    Each status is walked separately and the results are merged. A page so takes the same time
    whether many jobs have the status and the tag or none, whatever the query planner assumes.
    """
    if status is None and tag is None:
        return _walk(jobs.c.id, [], after, limit)
    if tag is None:
        newest, job_status, conditions = jobs.c.id, jobs.c.status, []
    else:
        newest, job_status, conditions = (
            job_tags.c.job_id,
            job_tags.c.status,
            [job_tags.c.tag == tag],
        )
    statuses = dict.fromkeys(JobStatus if status is None else status)
    walks = [
        _walk(newest, [*conditions, job_status == one], after, limit).subquery() for one in statuses
    ]
    merged = union_all(*(select(walk.c.id) for walk in walks)).subquery()
    return select(merged.c.id).order_by(merged.c.id.desc()).limit(limit)


def _walk(
    newest: Column[str], conditions: Sequence[ColumnElement[bool]], after: str | None, limit: int
) -> Select[str]:
    statement = select(newest.label("id")).where(*conditions).order_by(newest.desc()).limit(limit)
    return statement if after is None else statement.where(newest < after)


def _existing(connection: Connection, job_id: str) -> LockedJob:
    """The job, locked; raises UnknownJob."""
    job = locked(connection, job_id)
    if job is None:
        raise UnknownJob(job_id)
    return job


def _newest(job_ids: Sequence[str]) -> Select[Any]:
    return select(*RECORD.columns).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id.desc())


def _loaded(connection: Connection, job_id: str) -> tuple[JobRecord, ...]:
    """The job's record, or nothing."""
    return _with_artifacts(connection, select(*RECORD.columns).where(jobs.c.id == job_id))


def _with_artifacts(connection: Connection, statement: Select[Any]) -> tuple[JobRecord, ...]:
    """The records that the statement selects; at most one more query reads all their artifacts."""
    records = RECORD.read_all(connection.execute(statement))
    ended = [record.id for record in records if record.status.terminal]
    files: dict[str, list[ArtifactRecord]] = {}
    if ended:
        published = (
            select(artifacts.c.job_id, *_ARTIFACT.columns)
            .where(artifacts.c.job_id.in_(ended))
            .order_by(artifacts.c.name)
        )
        for job_id, *values in connection.execute(published):
            files.setdefault(job_id, []).append(_ARTIFACT.read(values))
    return tuple(
        replace(record, artifacts=tuple(files[record.id])) if record.id in files else record
        for record in records
    )
