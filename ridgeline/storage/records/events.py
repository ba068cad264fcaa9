"""The events of jobs (transitions and epochs, in order) and their logs, each of a bounded length.

A job's events are written under the lock of its row, so they are committed in the order of their
ids. A reader that asks for the events of one job after the last id it knows misses none. Events of
different jobs may become visible in any order.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Integer, Select, bindparam, delete, func, insert, select, type_coerce
from sqlalchemy.engine import Connection

from ridgeline.api.log import LogLevel
from ridgeline.storage.columns import RowReader, Word
from ridgeline.storage.database import Database
from ridgeline.storage.errors import UnknownJob
from ridgeline.storage.records.account import next_number
from ridgeline.storage.records.values import (
    EventRecord,
    EventRecords,
    EventType,
    LockedJob,
    LogLine,
    LogRecord,
    LogRecords,
)
from ridgeline.storage.tables import events, jobs, log_lines


class EventStore:
    """The events in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, job_id: str, after: int, limit: int, max_bytes: int | None = None
    ) -> EventRecords | None:
        """Up to `limit` of the job's events with an id above `after`; None if there is no such job.

        A page ends early if its payloads would exceed `max_bytes`, but it has at least one event.
        """
        values = {"of_job": job_id, "after": after, "at_most": limit, "bytes": max_bytes}
        with self._database.read() as connection:
            job = connection.execute(_JOB, {"of_job": job_id}).one_or_none()
            if job is None:
                return None
            records: list[EventRecord] = []
            if job.newest > after:
                page = connection.execute(_PAGE if max_bytes is None else _FITTING, values)
                records = _EVENT.read_all(page)
        return EventRecords(
            records=tuple(records),
            newest=job.newest,
            version=job.version,
            ended=job.status.terminal,
        )


def events_after(connection: Connection, job_id: str, after: int, limit: int) -> list[EventRecord]:
    """Up to `limit` of the job's events with an id above `after`, oldest first."""
    values = {"of_job": job_id, "after": after, "at_most": limit}
    return _EVENT.read_all(connection.execute(_PAGE, values))


_EVENT = RowReader(EventRecord, events, type=type_coerce(events.c.type, Word(EventType)))


def _fitting() -> Select[Any]:
    """The events of a page whose payloads fit into `bytes`; the first one always does."""
    # The page is a subquery, so that only its own lengths are summed up.
    page = _PAGE.subquery()
    length = func.length(page.c.payload)
    before = func.sum(length).over(order_by=page.c.id) - length
    measured = select(page, before.label("bytes_before")).subquery()
    return (
        select(*(measured.c[column.name] for column in _EVENT.columns))
        .where(measured.c.bytes_before < bindparam("bytes"))
        .order_by(measured.c.id)
    )


# Made once: SQLAlchemy takes longer to build these statements than to run them.
_JOB = select(
    jobs.c.version,
    jobs.c.status,
    select(func.max(events.c.id))
    .where(events.c.job_id == bindparam("of_job"))
    .scalar_subquery()
    .label("newest"),
).where(jobs.c.id == bindparam("of_job"))
_PAGE = (
    select(*_EVENT.columns)
    .where(events.c.job_id == bindparam("of_job"), events.c.id > bindparam("after"))
    .order_by(events.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_FITTING = _fitting()

KEPT_LINES = 2000
"""How many of a job's lines are kept: the newest."""


_LINE = RowReader(LogRecord, log_lines)


class LogStore:
    """The logs in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, job_id: str, after: int = 0, limit: int = 200, levels: Collection[LogLevel] = ()
    ) -> LogRecords:
        """Up to `limit` of the job's lines after the line `after`, of `levels` or of all levels.

        Raises UnknownJob.
        """
        statement = (
            select(*_LINE.columns)
            .where(log_lines.c.job_id == job_id, log_lines.c.number > after)
            .order_by(log_lines.c.number)
            .limit(limit + 1)
        )
        if levels:
            statement = statement.where(log_lines.c.level.in_([level.value for level in levels]))
        first = select(log_lines.c.number).where(log_lines.c.job_id == job_id)
        with self._database.read() as connection:
            lines = _LINE.read_all(connection.execute(statement))
            oldest = connection.execute(
                first.order_by(log_lines.c.number).limit(1)
            ).scalar_one_or_none()
            if oldest is None and not _exists(connection, job_id):
                raise UnknownJob(job_id)
        records = tuple(lines[:limit])
        next_after = records[-1].number if len(lines) > limit else None
        return LogRecords(records, next_after, (oldest or 1) - 1)


def add_lines(connection: Connection, job: LockedJob, lines: Sequence[LogLine]) -> None:
    """Append lines to the job's log, and delete the oldest beyond KEPT_LINES."""
    if not lines:
        return
    common = {"of_job": job.id, "in_attempt": job.attempt, "under_fence": job.fence}
    connection.execute(_ADD_LINE, [{**common, **_parameters(line)} for line in lines[-KEPT_LINES:]])
    last_dropped = next_number(job.id) - 1 - KEPT_LINES
    connection.execute(
        delete(log_lines).where(log_lines.c.job_id == job.id, log_lines.c.number <= last_dropped)
    )


_ADD_LINE = insert(log_lines).values(
    job_id=bindparam("of_job"),
    number=next_number(bindparam("of_job")),
    at=bindparam("written_at"),
    attempt=bindparam("in_attempt"),
    fence=bindparam("under_fence"),
    level=bindparam("at_level"),
    source=bindparam("by_source"),
    event=bindparam("of_event"),
    fields=bindparam("and_fields"),
)


def _parameters(line: LogLine) -> dict[str, object]:
    return {
        "written_at": line.at,
        "at_level": line.level.value,
        "by_source": line.source.value,
        "of_event": line.event,
        "and_fields": line.fields,
    }


def _exists(connection: Connection, job_id: str) -> bool:
    return connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None
