"""The jobs' logs, each of a bounded length."""

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.engine import Connection, RowMapping

from ridgeline.api.log import LogLevel
from ridgeline.storage.database import Database
from ridgeline.storage.errors import UnknownJob
from ridgeline.storage.records.account import next_number
from ridgeline.storage.records.values import LogLine, LogRecord, LogRecords
from ridgeline.storage.tables import jobs, log_lines

KEPT_LINES = 2000
"""How many lines of a job are kept: the newest."""


class LogStore:
    """The logs in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, job_id: str, after: int = 0, limit: int = 200, levels: Collection[LogLevel] = ()
    ) -> LogRecords:
        """Up to `limit` of the job's lines behind the line `after`, of any of `levels` or of all.

        Raises UnknownJob.
        """
        columns = [log_lines.c[name] for name in LogRecord._fields]
        statement = (
            select(*columns)
            .where(log_lines.c.job_id == job_id, log_lines.c.number > after)
            .order_by(log_lines.c.number)
            .limit(limit + 1)
        )
        if levels:
            statement = statement.where(log_lines.c.level.in_([each.value for each in levels]))
        first = select(log_lines.c.number).where(log_lines.c.job_id == job_id)
        with self._database.read() as connection:
            found = [LogRecord(*row) for row in connection.execute(statement)]
            oldest = connection.execute(
                first.order_by(log_lines.c.number).limit(1)
            ).scalar_one_or_none()
            if oldest is None and not _exists(connection, job_id):
                raise UnknownJob(job_id)
        records = tuple(found[:limit])
        more = records[-1].number if len(found) > limit else None
        return LogRecords(records, more, (oldest or 1) - 1)


def add_lines(connection: Connection, row: RowMapping, lines: Sequence[LogLine]) -> None:
    """Append lines to the log of the locked job of `row`, and remove the oldest of a long one."""
    if not lines:
        return
    common = {"of_job": row["id"], "in_attempt": row["attempt"], "under_fence": row["fence"]}
    connection.execute(_INSERT, [{**common, **_parameters(line)} for line in lines[-KEPT_LINES:]])
    gone = next_number(row["id"]) - 1 - KEPT_LINES
    connection.execute(
        delete(log_lines).where(log_lines.c.job_id == row["id"], log_lines.c.number <= gone)
    )


_INSERT = insert(log_lines).values(
    job_id=bindparam("of_job"),
    number=next_number(bindparam("of_job")),
    at=bindparam("told_at"),
    attempt=bindparam("in_attempt"),
    fence=bindparam("under_fence"),
    level=bindparam("at_level"),
    source=bindparam("by_source"),
    event=bindparam("of_event"),
    fields=bindparam("and_fields"),
)


def _parameters(line: LogLine) -> dict[str, object]:
    return {
        "told_at": line.at,
        "at_level": line.level.value,
        "by_source": line.source.value,
        "of_event": line.event,
        "and_fields": line.fields,
    }


def _exists(connection: Connection, job_id: str) -> bool:
    return connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None
