"""Creation of jobs: each with its key, its tags, its first event and its hint to the broker.

Any number of jobs go into one transaction at the price of a few statements.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import RowReader, now_ms
from ridgeline.storage.errors import IdempotencyConflict, UnknownDataset
from ridgeline.storage.records.account import account_of
from ridgeline.storage.records.datasets import locked_datasets
from ridgeline.storage.records.outbox import add_hints
from ridgeline.storage.records.values import EventType, Idempotency, JobRecord, NewJob
from ridgeline.storage.tables import events, idempotency_keys, job_datasets, job_tags, jobs


class Stored(NamedTuple):
    """A job that was inserted."""

    record: JobRecord
    outbox_id: int


class Original(NamedTuple):
    """The job that an idempotency key created before."""

    job_id: str | None
    """None if job and key were deleted in the meantime."""


Rejection = IdempotencyConflict | UnknownDataset
Outcome = Stored | Original | Rejection
Submission = tuple[NewJob, Idempotency | None]


def create_all(connection: Connection, submissions: Sequence[Submission]) -> list[Outcome]:
    """Insert the jobs whose keys are free; returns the outcome of each, in order."""
    ids = [new_job_id() for _ in submissions]
    outcomes: dict[str, Outcome] = {
        job_id: outcome
        for job_id, (_, key) in zip(ids, submissions, strict=True)
        if key is not None and (outcome := _reserve(connection, key, job_id)) is not None
    }
    fresh = {
        job_id: new
        for job_id, (new, _) in zip(ids, submissions, strict=True)
        if job_id not in outcomes
    }
    orphans = _reject_without_dataset(connection, fresh)
    fresh = {job_id: new for job_id, new in fresh.items() if job_id not in orphans}
    outcomes |= orphans
    if fresh:
        outcomes |= _insert(connection, fresh)
    return [outcomes[job_id] for job_id in ids]


def _reserve(
    connection: Connection, idempotency: Idempotency, job_id: str
) -> Original | IdempotencyConflict | None:
    """Reserve the key for the job; None if it was free.

    On PostgreSQL this waits for another transaction that has reserved the key.
    """
    table = idempotency_keys
    on_sqlite = connection.dialect.name == "sqlite"
    insert_key = sqlite.insert(table) if on_sqlite else postgresql.insert(table)
    statement = insert_key.values(
        key=idempotency.key,
        body_sha256=idempotency.body_sha256,
        job_id=job_id,
        created_at=now_ms(),
    ).on_conflict_do_nothing()
    if connection.execute(statement.returning(table.c.key)).first() is not None:
        return None
    known = original(connection, idempotency)
    return known if isinstance(known, IdempotencyConflict) else Original(known)


def original(connection: Connection, idempotency: Idempotency) -> str | IdempotencyConflict | None:
    """The id of the job that the key created; None if there is none."""
    table = idempotency_keys
    known = select(table.c.job_id, table.c.body_sha256).where(table.c.key == idempotency.key)
    row = connection.execute(known).one_or_none()
    if row is None:
        return None
    if row.body_sha256 != idempotency.body_sha256:
        return IdempotencyConflict(idempotency.key, row.job_id)
    return str(row.job_id)


def _reject_without_dataset(
    connection: Connection, new: Mapping[str, NewJob]
) -> dict[str, UnknownDataset]:
    """Reject the jobs whose data set was deleted since it was looked up, and free their keys.

    The data sets of the others are locked until the transaction ends, and then kept by their jobs.
    """
    needed = {job_id: job.dataset_id for job_id, job in new.items() if job.dataset_id}
    present = locked_datasets(connection, set(needed.values()))
    orphans = {
        job_id: UnknownDataset(dataset_id)
        for job_id, dataset_id in needed.items()
        if dataset_id not in present
    }
    if orphans:
        keys = idempotency_keys.c.job_id.in_(orphans)
        connection.execute(delete(idempotency_keys).where(keys))
    return orphans


def _insert(connection: Connection, new: Mapping[str, NewJob]) -> dict[str, Outcome]:
    rows = connection.execute(_JOBS, [_values(job_id, job) for job_id, job in new.items()])
    records = {record.id: record for record in RECORD.read_all(rows)}
    tags = [
        {"job_id": job_id, "tag": tag}
        for job_id, job in new.items()
        for tag in dict.fromkeys(job.tags)
    ]
    if tags:
        _exhaust(connection.execute(_TAGS, tags))
    used = [
        {"job_id": job_id, "dataset_id": job.dataset_id}
        for job_id, job in new.items()
        if job.dataset_id is not None
    ]
    if used:
        _exhaust(connection.execute(_DATASETS, used))
    hints = add_hints(connection, list(new))
    _exhaust(connection.execute(_EVENTS, [{"job_id": job_id} for job_id in new]))
    account = account_of(connection)
    for job_id in new:
        account.add_transition(records[job_id], None, JobStatus.QUEUED, None, None)
    failpoint("submit.before_commit")
    return {job_id: Stored(records[job_id], hints[job_id]) for job_id in new}


_GIVEN = [field.name for field in fields(NewJob) if field.name != "dataset_id"]
RECORD = RowReader(JobRecord, jobs, without=("artifacts",))
"""Reads a JobRecord, without its artifacts."""

# Made once: SQLAlchemy takes as long to build a statement as to run it. With RETURNING it sends the
# rows of all jobs as one statement instead of one for each.
_JOBS = (
    insert(jobs)
    .values(status=JobStatus.QUEUED, available_at=now_ms(), created_at=now_ms())
    .returning(*RECORD.columns)
)
_DATASETS = insert(job_datasets).returning(job_datasets.c.job_id)
_TAGS = insert(job_tags).returning(job_tags.c.job_id)
_EVENTS = (
    insert(events)
    .values(
        type=EventType.STATUS.value,
        attempt=0,
        fence=0,
        after=JobStatus.QUEUED,
        payload="{}",
        created_at=now_ms(),
    )
    .returning(events.c.id)
)


def _values(job_id: str, new: NewJob) -> dict[str, Any]:
    given = {name: getattr(new, name) for name in _GIVEN}
    return {**given, "id": job_id}


def _exhaust(rows: Iterable[object]) -> None:
    """Read a result to its end: only then has SQLite run the whole statement."""
    for _ in rows:
        pass


def new_job_id() -> str:
    """Create a job id: `job_` and the 32 hex digits of a UUIDv7 (RFC 9562).

    Its first 60 bits besides the version hold the time to a quarter of a microsecond, so ids from
    one machine sort by creation. 62 random bits make them unique and hard to guess.
    """
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"job_{number:032x}"
