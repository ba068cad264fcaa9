"""What happened to a job, in the order in which it happened.

A job's events are written under the lock of its row, so they are committed in the order of their
ids, whatever the order in which those of different jobs become visible. Whoever reads one job's
events behind the last id that he knows therefore misses none.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select
from sqlalchemy.engine import RowMapping

from ridgeline.storage.database import Database
from ridgeline.storage.records.values import EventRecord, EventRecords, EventType
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
        values = {"of_job": job_id, "behind": after, "at_most": limit, "bytes": max_bytes}
        with self._database.read() as connection:
            job = connection.execute(_JOB, {"of_job": job_id}).one_or_none()
            if job is None:
                return None
            rows: Sequence[RowMapping] = ()
            if job.newest > after:
                found = connection.execute(_PAGE if max_bytes is None else _FITTING, values)
                rows = found.mappings().all()
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


def _fitting() -> Select[Any]:
    """Those of a page whose payloads fit; the first one always does."""
    # The page comes first: its lengths are summed up, and not those of all that is left.
    page = _PAGE.subquery()
    length = func.length(page.c.payload)
    before = func.sum(length).over(order_by=page.c.id) - length
    measured = select(page, before.label("bytes_before")).subquery()
    return (
        select(*(measured.c[name] for name in _COLUMNS))
        .where(measured.c.bytes_before < bindparam("bytes"))
        .order_by(measured.c.id)
    )


# Made once: to put them together takes SQLAlchemy longer than to run them.
_JOB = select(
    jobs.c.version,
    jobs.c.status,
    select(func.max(events.c.id))
    .where(events.c.job_id == bindparam("of_job"))
    .scalar_subquery()
    .label("newest"),
).where(jobs.c.id == bindparam("of_job"))
_PAGE = (
    select(*(events.c[name] for name in _COLUMNS))
    .where(events.c.job_id == bindparam("of_job"), events.c.id > bindparam("behind"))
    .order_by(events.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_FITTING = _fitting()
