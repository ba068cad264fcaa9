"""What happened to a job, in the order in which it happened.

A job's events are written under the lock of its row, so they are committed in the order of their
ids, whatever the order in which those of different jobs become visible. Whoever reads one job's
events behind the last id that he knows therefore misses none.
"""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.engine import RowMapping

from ridgeline.storage.database import Database
from ridgeline.storage.records import EventRecord, EventRecords, EventType
from ridgeline.storage.tables import events, jobs


class EventStore:
    """The events in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def behind(
        self, job_id: str, after: int, limit: int, max_bytes: int | None = None
    ) -> EventRecords | None:
        """Up to `limit` of the job's events with an id above `after`; None if there is no such job.

        They end early where their payloads would exceed `max_bytes`, but there is one at least.
        """
        newest = select(func.max(events.c.id)).where(events.c.job_id == job_id).scalar_subquery()
        state = select(jobs.c.version, jobs.c.status, newest.label("newest"))
        with self._database.read() as connection:
            job = connection.execute(state.where(jobs.c.id == job_id)).one_or_none()
            if job is None:
                return None
            rows: list[RowMapping] = []
            if job.newest > after:
                found = connection.execute(_page(job_id, after, limit, max_bytes))
                rows = list(found.mappings())
        return EventRecords(
            records=tuple(event_record(row) for row in rows),
            newest=job.newest,
            version=job.version,
            ended=job.status.terminal,
        )


def event_record(row: RowMapping) -> EventRecord:
    """The record of a row of the table."""
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    return EventRecord(**values | {"type": EventType(row["type"])})


_COLUMNS = [column.name for column in events.c if column.name != "job_id"]


def _page(job_id: str, after: int, limit: int, max_bytes: int | None) -> Select[Any]:
    statement = (
        select(*(events.c[name] for name in _COLUMNS))
        .where(events.c.job_id == job_id, events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    if max_bytes is None:
        return statement
    # The limit comes first: lengths are summed up over one page, and not over all that is left.
    page = statement.subquery()
    length = func.length(page.c.payload)
    before = func.sum(length).over(order_by=page.c.id) - length
    measured = select(page, before.label("bytes_before")).subquery()
    return (
        select(*(measured.c[name] for name in _COLUMNS))
        .where(measured.c.bytes_before < max_bytes)
        .order_by(measured.c.id)
    )
