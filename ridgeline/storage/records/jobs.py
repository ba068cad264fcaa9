"""Jobs as the API sees them: create, read, list, cancel, pause, resume, delete."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
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
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.curves import EpochRow
from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage import tables
from ridgeline.storage.columns import now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.errors import IdempotencyConflict, IllegalTransition, UnknownJob
from ridgeline.storage.records.creation import (
    RECORDED,
    Outcome,
    Refusal,
    Stored,
    Submission,
    create_all,
    original,
)
from ridgeline.storage.records.epochs import thinned_rows
from ridgeline.storage.records.events import event_record
from ridgeline.storage.records.outbox import add_hint
from ridgeline.storage.records.transitions import CANCELLED_BY_USER, locked, move
from ridgeline.storage.records.values import (
    ArtifactRecord,
    AttemptRecord,
    Created,
    EventRecord,
    Idempotency,
    JobRecord,
    NewJob,
    Page,
    Tally,
)
from ridgeline.storage.tables import artifacts, job_tags, jobs


class JobStore:
    """The jobs in a database. What a worker does with a job is in LeaseStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewJob, idempotency: Idempotency | None = None) -> Created:
        """Store a queued job with its hint to the broker, or find the one its key created before.

        When this returns, the job is durable. Raises IdempotencyConflict if the key came with
        another body, and UnknownDataset if its data set is not there.
        """
        (outcome,) = self.create_all([(new, idempotency)])
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    def create_all(self, submissions: Sequence[Submission]) -> list[Created | Refusal]:
        """Do as create() for many jobs at once, in one transaction; what it raises is returned.

        Either all of them are durable when this returns, or none is stored.
        """
        with self._database.write() as connection:
            outcomes = create_all(connection, submissions)
        return [
            self._created(submission, outcome)
            for submission, outcome in zip(submissions, outcomes, strict=True)
        ]

    def created_by(self, idempotency: Idempotency) -> Created | None:
        """The job that a key has created before, or None; raises IdempotencyConflict."""
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

    def version(self, job_id: str) -> int | None:
        """The job's version, or None: the cheapest way to see whether it changed."""
        return self.versions([job_id]).get(job_id)

    def versions(self, job_ids: Collection[str]) -> dict[str, int]:
        """The versions of those jobs that exist."""
        statement = select(jobs.c.id, jobs.c.version).where(jobs.c.id.in_(job_ids))
        with self._database.read() as connection:
            return {row.id: row.version for row in connection.execute(statement)}

    def request_cancel(self, job_id: str) -> JobRecord:
        """Cancel a job that waits at once, and tell the worker of one that runs to stop.

        Once this returns the job never succeeds. Asking again changes nothing. Raises UnknownJob,
        and IllegalTransition for a job that has ended.
        """
        with self._database.write() as connection:
            row = _known(connection, job_id)
            asked = {"cancel_requested_at": now_ms()}
            if row["status"] in (JobStatus.RUNNING, JobStatus.PAUSING):
                move(connection, row, JobStatus.CANCELLING, values=asked)
            elif row["status"] is not JobStatus.CANCELLING:
                move(connection, row, JobStatus.CANCELLED, reason=CANCELLED_BY_USER, values=asked)
            return _loaded(connection, job_id)[0]

    def request_pause(self, job_id: str) -> JobRecord:
        """Pause a job that waits at once, and have the worker of one that runs give it back.

        Asking again changes nothing. Raises UnknownJob, and IllegalTransition for a job that is
        being cancelled or has ended.
        """
        with self._database.write() as connection:
            row = _known(connection, job_id)
            if row["status"] is JobStatus.RUNNING:
                move(connection, row, JobStatus.PAUSING)
            elif row["status"] not in (JobStatus.PAUSING, JobStatus.PAUSED):
                move(connection, row, JobStatus.PAUSED, values={"paused_at": now_ms()})
            return _loaded(connection, job_id)[0]

    def request_resume(self, job_id: str) -> JobRecord:
        """Queue a paused job again; the time it was paused does not count towards its deadline.

        A job whose worker has not given it back yet goes on with that worker or is queued again. A
        job that waits or runs is left as it is. Raises UnknownJob, and IllegalTransition for a job
        that is being cancelled or has ended.
        """
        with self._database.write() as connection:
            row = _known(connection, job_id)
            if row["status"] is JobStatus.PAUSING:
                move(connection, row, JobStatus.RUNNING)
            elif row["status"] not in (JobStatus.RUNNING, JobStatus.QUEUED):
                paused = now_ms() - type_coerce(jobs.c.paused_at, BigInteger)
                later = type_coerce(jobs.c.deadline_at, BigInteger) + paused
                values = {"available_at": now_ms(), "deadline_at": later}
                move(connection, row, JobStatus.QUEUED, values=values)
                add_hint(connection, job_id)
            return _loaded(connection, job_id)[0]

    def delete(self, job_id: str) -> tuple[str, ...]:
        """Delete a job that has ended with all its rows; returns the keys of its files to delete.

        Its idempotency key is free again. Raises UnknownJob, and IllegalTransition for a job that
        has not ended.
        """
        with self._database.write() as connection:
            row = _known(connection, job_id)
            if not row["status"].terminal:
                raise IllegalTransition(job_id, row["status"], "deleted before it has ended")
            keys = select(artifacts.c.key).where(artifacts.c.job_id == job_id)
            # Read to the end first: SQLite's cursor would step over rows deleted meanwhile.
            found = tuple(connection.execute(keys).scalars())
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
            failpoint("delete.before_commit")
            return found

    def epochs(self, job_id: str) -> list[EpochRow]:
        """The epochs of the job, in order: the current attempt's, behind those it goes on from."""
        texts = (text for page in self.epoch_pages(job_id) for text in page)
        return [EpochRow.model_validate_json(text) for text in texts]

    def epoch_pages(self, job_id: str, size: int = 2000) -> Iterator[list[str]]:
        """The epochs of the job as the JSON of EpochRow, in order, up to `size` at a time.

        No connection is held between two pages. If a new attempt removes meanwhile what was read,
        the pages end.
        """
        table = tables.epochs
        columns = (table.c.epoch, table.c.attempt, table.c.row)
        ordered = select(*columns).where(table.c.job_id == job_id).order_by(table.c.epoch)
        # Every page begins with the last row of the one before. While that is there, so are all
        # before it: a new attempt removes rows from the end.
        last = None
        while True:
            statement = ordered.limit(size)
            if last is not None:
                statement = ordered.where(table.c.epoch >= last.epoch).limit(size + 1)
            with self._database.read() as connection:
                found = connection.execute(statement).all()
            if last is not None:
                if not found or found[0] != last:
                    return
                found = found[1:]
            if found:
                yield [each.row for each in found]
            if len(found) < size:
                return
            last = found[-1]

    def epochs_at(self, job_id: str, numbers: Collection[int]) -> list[str]:
        """Those of the epochs `numbers` that the job has, as the JSON of EpochRow, in order."""
        table = tables.epochs
        ordered = select(table.c.row).where(table.c.job_id == job_id).order_by(table.c.epoch)
        found: list[str] = []
        asked = sorted(set(numbers))
        for start in range(0, len(asked), _AT_ONCE):
            among = table.c.epoch.in_(asked[start : start + _AT_ONCE])
            with self._database.read() as connection:
                found += connection.execute(ordered.where(among)).scalars()
        return found

    def thinned_epochs(self, job_id: str, max_points: int) -> list[str]:
        """The JSON of at most `max_points` epochs of the job: the first, the last, extreme ones.

        Every series is at its least and at its greatest in one of them, if there is room for that.
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
        table = tables.events
        statement = (
            select(table)
            .where(table.c.job_id == job_id, table.c.id > after)
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [event_record(row) for row in connection.execute(statement).mappings()]

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Each time a worker started the job, oldest first."""
        table = tables.attempts
        columns = [table.c[field.name] for field in fields(AttemptRecord)]
        statement = select(*columns).where(table.c.job_id == job_id).order_by(table.c.attempt)
        with self._database.read() as connection:
            return [AttemptRecord(**row) for row in connection.execute(statement).mappings()]

    def any_started(self) -> bool:
        """Whether a worker has ever started a job of this database, be it deleted since."""
        table = tables.tallies
        started = select(table.c.name).where(table.c.name == Tally.ATTEMPTS_STARTED.value).limit(1)
        with self._database.read() as connection:
            return connection.execute(started).first() is not None

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are in every status, those with none included."""
        statement = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        with self._database.read() as connection:
            found = {row.status: row[1] for row in connection.execute(statement)}
        return {status: found.get(status, 0) for status in JobStatus}

    def list(
        self,
        status: Collection[JobStatus] | None = None,
        tag: str | None = None,
        limit: int = 50,
        after: str | None = None,
        max_bytes: int | None = None,
    ) -> Page:
        """Up to `limit` jobs, newest first, in any of `status`, with the tag, older than `after`.

        A job that is created between two pages moves none of the others. A page ends early where
        the JSON that its jobs hold would exceed `max_bytes`, but has one job at least.
        """
        if status is not None and not status:
            return Page((), None)
        newest = _newest_ids(status, tag, after, limit + 1).subquery()
        statement = select(jobs.c.id, _SIZE.label("size")).join(newest, newest.c.id == jobs.c.id)
        with self._database.read() as connection:
            found = connection.execute(statement.order_by(jobs.c.id.desc())).all()
            kept = _fitting([row.size for row in found[:limit]], max_bytes)
            rows = connection.execute(_newest([row.id for row in found[:kept]])).mappings().all()
            records = _records(connection, rows)
        return Page(records, records[-1].id if len(found) > len(records) else None)

    def _created(self, submission: Submission, outcome: Outcome) -> Created | Refusal:
        if isinstance(outcome, Refusal):
            return outcome
        if isinstance(outcome, Stored):
            return Created(_record(outcome.row, ()), replayed=False, outbox_id=outcome.outbox_id)
        record = None if outcome.job_id is None else self.get(outcome.job_id)
        if record is None:  # deleted in the meantime, and the key with it
            return self.create_all([submission])[0]
        return Created(record, replayed=True, outbox_id=None)


_AT_ONCE = 500
"""How many epochs one statement names; SQLite takes a thousand parameters at the least."""
_SIZE = (
    func.length(jobs.c.spec, type_=Integer)
    + func.length(jobs.c.resolved)
    + func.length(jobs.c.penalties)
    + func.length(jobs.c.advice)
)
"""About how long the JSON of a job is: its other columns are short."""


def _newest_ids(
    status: Collection[JobStatus] | None, tag: str | None, after: str | None, limit: int
) -> Select[str]:
    """The ids of the newest jobs, by walking indexes alone.

    Every status is walked for itself, and what was found is merged: so a page takes as long whether
    many jobs have the status and the tag or none, and no planner has to guess which it is.
    """
    if status is None and tag is None:
        return _walk(jobs.c.id, [], after, limit)
    if tag is None:
        newest, having, same = jobs.c.id, jobs.c.status, []
    else:
        newest, having, same = job_tags.c.job_id, job_tags.c.status, [job_tags.c.tag == tag]
    statuses = dict.fromkeys(JobStatus if status is None else status)
    walks = [_walk(newest, [*same, having == each], after, limit).subquery() for each in statuses]
    merged = union_all(*(select(walk.c.id) for walk in walks)).subquery()
    return select(merged.c.id).order_by(merged.c.id.desc()).limit(limit)


def _walk(
    newest: Column[str], conditions: Sequence[ColumnElement[bool]], after: str | None, limit: int
) -> Select[str]:
    statement = select(newest.label("id")).where(*conditions).order_by(newest.desc()).limit(limit)
    return statement if after is None else statement.where(newest < after)


def _fitting(sizes: Sequence[int], max_bytes: int | None) -> int:
    """How many of the first jobs, of such sizes, fit into `max_bytes`: one at least."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and max_bytes is not None and total > max_bytes:
            return count
    return len(sizes)


def _known(connection: Connection, job_id: str) -> RowMapping:
    """The row of a job, locked; raises UnknownJob."""
    row = locked(connection, job_id)
    if row is None:
        raise UnknownJob(job_id)
    return row


def _newest(job_ids: Sequence[str]) -> Select[Any]:
    return select(*RECORDED).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id.desc())


def _loaded(connection: Connection, job_id: str) -> tuple[JobRecord, ...]:
    """The job's record, or nothing."""
    rows = connection.execute(select(*RECORDED).where(jobs.c.id == job_id)).mappings().all()
    return _records(connection, rows)


def _records(connection: Connection, rows: Sequence[RowMapping]) -> tuple[JobRecord, ...]:
    """The records of `rows`, with the artifacts of all of them from one query, or from none."""
    ended = [row["id"] for row in rows if row["status"].terminal]
    found: dict[str, list[ArtifactRecord]] = {job_id: [] for job_id in ended}
    if ended:
        statement = (
            select(artifacts).where(artifacts.c.job_id.in_(ended)).order_by(artifacts.c.name)
        )
        for each in connection.execute(statement).mappings():
            values = dict(each)
            found[values.pop("job_id")].append(ArtifactRecord(**values))
    return tuple(_record(row, found.get(row["id"], ())) for row in rows)


def _record(row: RowMapping, files: Sequence[ArtifactRecord]) -> JobRecord:
    values: dict[str, Any] = dict(row)
    return JobRecord(**values | {"tags": tuple(json.loads(row["tags"]))}, artifacts=tuple(files))
