"""The outbox of the MLflow server: a row for each job that it does not have completely.

The row is stored with the claim by a worker that tracks jobs, and deleted once the server has the
job's end. Any worker that tracks may report a job, one worker at a time, whichever worker ran it.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, delete, exists, literal, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from ridgeline.api.lifecycle import TERMINAL
from ridgeline.storage.columns import AT_ONCE, milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records.values import TrackedJob
from ridgeline.storage.tables import events, jobs, tracked_jobs


class TrackingStore:
    """The jobs to report, as seen by the worker `holder`.

    A job that it reserves is its own until `hold_s` seconds pass without a call. A worker that has
    lost a job to another changes nothing: its calls return False, and it must stop.
    """

    def __init__(self, database: Database, holder: str, hold_s: float) -> None:
        self._database = database
        self._holder = holder
        self._hold_s = hold_s

    def adopt(self, job_ids: Sequence[str], experiment: str) -> None:
        """Track those of the jobs that exist, for any worker; tracked ones are left unchanged."""
        for start in range(0, len(job_ids), AT_ONCE):
            with self._database.write() as connection:
                track(connection, job_ids[start : start + AT_ONCE], experiment)

    def due(self, limit: int) -> list[str]:
        """Up to `limit` available jobs with news for the server, or whose end it does not have.

        Those that no worker holds come first, then those reported least recently.
        """
        newer = exists().where(
            events.c.job_id == tracked_jobs.c.job_id, events.c.id > tracked_jobs.c.last_event
        )
        statement = (
            select(tracked_jobs.c.job_id)
            .join(jobs, jobs.c.id == tracked_jobs.c.job_id, isouter=True)
            .where(self._available(), or_(jobs.c.id.is_(None), jobs.c.status.in_(TERMINAL), newer))
            .order_by(tracked_jobs.c.held_until, tracked_jobs.c.job_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.execute(statement).scalars())

    def take(self, job_id: str) -> TrackedJob | None:
        """Reserve a job to report; None if another worker has it, or has finished it."""
        statement = (
            update(tracked_jobs)
            .where(tracked_jobs.c.job_id == job_id, self._available())
            .values(holder=self._holder, held_until=self._until(self._hold_s))
            .returning(*(tracked_jobs.c[name] for name in TrackedJob._fields))
        )
        with self._database.write() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else TrackedJob(*row)

    def note(self, job_id: str, run_id: str, last_event: int) -> bool:
        """Record the job's run and the last event sent, and renew the hold; False if it is lost."""
        statement = (
            update(tracked_jobs)
            .where(*self._mine(job_id))
            .values(run_id=run_id, last_event=last_event, held_until=self._until(self._hold_s))
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def put_off(self, job_id: str, delay_s: float) -> bool:
        """Release the job to any worker after `delay_s`; False if it was lost before."""
        statement = (
            update(tracked_jobs)
            .where(*self._mine(job_id))
            .values(holder=None, held_until=self._until(delay_s))
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def strike_out(self, job_id: str) -> bool:
        """Delete a job that the server has completely; False if it was lost before."""
        with self._database.write() as connection:
            return connection.execute(delete(tracked_jobs).where(*self._mine(job_id))).rowcount == 1

    def let_go(self) -> None:
        """Release all that this worker holds to the others, at once."""
        mine = tracked_jobs.c.holder == self._holder
        with self._database.write() as connection:
            connection.execute(
                update(tracked_jobs).where(mine).values(holder=None, held_until=now_ms())
            )

    def _available(self) -> ColumnElement[bool]:
        return or_(tracked_jobs.c.held_until <= now_ms(), tracked_jobs.c.holder == self._holder)

    def _mine(self, job_id: str) -> tuple[ColumnElement[bool], ...]:
        return (tracked_jobs.c.job_id == job_id, tracked_jobs.c.holder == self._holder)

    def _until(self, seconds: float) -> ColumnElement[int]:
        return now_ms() + milliseconds(seconds)


def track(
    connection: Connection,
    job_ids: Sequence[str],
    experiment: str,
    holder: str | None = None,
    hold_s: float = 0.0,
) -> None:
    """Track those of the jobs that exist, held by `holder` at first.

    Those that are tracked already are left unchanged.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    values = {
        "job_id": jobs.c.id,
        "experiment": literal(experiment),
        "last_event": literal(0, BigInteger()),
        "holder": null() if holder is None else literal(holder),
        "held_until": now_ms() + milliseconds(hold_s),
    }
    existing = select(*values.values()).where(jobs.c.id.in_(job_ids))
    statement = dialect.insert(tracked_jobs).from_select(list(values), existing)
    connection.execute(statement.on_conflict_do_nothing())
