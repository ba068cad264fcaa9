"""Stores new jobs: each with its key, its tags, its first event and its hint to the broker.

Many go into one transaction at the price of a few statements, whatever their number.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping

from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import now_ms
from ridgeline.storage.errors import IdempotencyConflict, UnknownDataset
from ridgeline.storage.identifiers import new_job_id
from ridgeline.storage.records.account import account_of
from ridgeline.storage.records.datasets import locked_datasets
from ridgeline.storage.records.outbox import add_hints
from ridgeline.storage.records.values import EventType, Idempotency, JobRecord, NewJob
from ridgeline.storage.tables import events, idempotency_keys, job_datasets, job_tags, jobs


class Stored(NamedTuple):
    """A job that was inserted."""

    row: RowMapping
    """Its row, without its artifacts."""
    outbox_id: int


class Original(NamedTuple):
    """The job that an idempotency key has created before."""

    job_id: str | None
    """None if it was deleted in the meantime, and the key with it."""


Refusal = IdempotencyConflict | UnknownDataset
Outcome = Stored | Original | Refusal
Submission = tuple[NewJob, Idempotency | None]


def create_all(connection: Connection, submissions: Sequence[Submission]) -> list[Outcome]:
    """Insert the jobs whose keys are free; say of each what became of it, in order."""
    ids = [new_job_id() for _ in submissions]
    found: dict[str, Original | Refusal] = {
        job_id: outcome
        for job_id, (_, key) in zip(ids, submissions, strict=True)
        if key is not None and (outcome := _taken(connection, key, job_id)) is not None
    }
    fresh = {
        job_id: new
        for job_id, (new, _) in zip(ids, submissions, strict=True)
        if job_id not in found
    }
    lost = _without_dataset(connection, fresh)
    found |= lost
    fresh = {job_id: new for job_id, new in fresh.items() if job_id not in lost}
    stored = _insert(connection, fresh) if fresh else {}
    return [found[job_id] if job_id in found else stored[job_id] for job_id in ids]


def _taken(
    connection: Connection, idempotency: Idempotency, job_id: str
) -> Original | IdempotencyConflict | None:
    """Take the key for the job; None if it was free.

    On PostgreSQL it waits for another that has taken the key and is not committed yet.
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
    found = original(connection, idempotency)
    return found if isinstance(found, IdempotencyConflict) else Original(found)


def original(connection: Connection, idempotency: Idempotency) -> str | IdempotencyConflict | None:
    """The id of the job that the key has created; None if there is none."""
    table = idempotency_keys
    known = select(table.c.job_id, table.c.body_sha256).where(table.c.key == idempotency.key)
    row = connection.execute(known).one_or_none()
    if row is None:
        return None
    if row.body_sha256 != idempotency.body_sha256:
        return IdempotencyConflict(idempotency.key, row.job_id)
    return str(row.job_id)


def _without_dataset(
    connection: Connection, new: Mapping[str, NewJob]
) -> dict[str, UnknownDataset]:
    """The jobs whose data set was deleted since it was looked up; their keys are free again.

    The data sets of the others stay until the transaction ends, and then for as long as the job.
    """
    needed = {job_id: each.dataset_id for job_id, each in new.items() if each.dataset_id}
    there = locked_datasets(connection, set(needed.values()))
    lost = {job_id: UnknownDataset(each) for job_id, each in needed.items() if each not in there}
    if lost:
        taken = idempotency_keys.c.job_id.in_(lost)
        connection.execute(delete(idempotency_keys).where(taken))
    return lost


def _insert(connection: Connection, new: Mapping[str, NewJob]) -> dict[str, Stored]:
    rows = connection.execute(_JOBS, [_values(job_id, each) for job_id, each in new.items()])
    by_id = {row["id"]: row for row in rows.mappings()}
    tags = [
        {"job_id": job_id, "tag": tag}
        for job_id, each in new.items()
        for tag in dict.fromkeys(each.tags)
    ]
    if tags:
        _discard(connection.execute(_TAGS, tags))
    used = [
        {"job_id": job_id, "dataset_id": each.dataset_id}
        for job_id, each in new.items()
        if each.dataset_id is not None
    ]
    if used:
        _discard(connection.execute(_DATASETS, used))
    hints = add_hints(connection, list(new))
    _discard(connection.execute(_EVENTS, [{"job_id": job_id} for job_id in new]))
    account = account_of(connection)
    for job_id in new:
        account.moved(by_id[job_id], None, JobStatus.QUEUED, None, None)
    failpoint("submit.before_commit")
    return {job_id: Stored(by_id[job_id], hints[job_id]) for job_id in new}


_GIVEN = [field.name for field in fields(NewJob) if field.name != "dataset_id"]
#: What a JobRecord says of itself, apart from its files.
RECORDED = [jobs.c[field.name] for field in fields(JobRecord) if field.name != "artifacts"]

# Made once: to put a statement together takes SQLAlchemy as long as to run it. With RETURNING
# SQLAlchemy sends the rows of all jobs as one statement, where it would send one for each.
_JOBS = (
    insert(jobs)
    .values(status=JobStatus.QUEUED, available_at=now_ms(), created_at=now_ms())
    .returning(*RECORDED)
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
    return {**given, "id": job_id, "tags": json.dumps(new.tags)}


def _discard(rows: Iterable[object]) -> None:
    """Read a result to its end: SQLite has not run a statement before."""
    for _ in rows:
        pass
