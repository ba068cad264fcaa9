"""The outbox: hints to the broker, stored in the transaction that makes a job claimable.

A hint may be lost, late or doubled without harm; what counts is that a queued job always gets one.
Any number of janitors may call these at once.


The words of the broker: what the service sends and the worker takes.
"""

from collections.abc import Sequence

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records.values import Dispatch
from ridgeline.storage.tables import QUEUED, jobs, outbox

#: What a worker could claim now.
_CLAIMABLE = (QUEUED, jobs.c.available_at <= now_ms())


_HINT = insert(outbox).values(available_at=now_ms()).returning(outbox.c.id, outbox.c.job_id)


TRAIN_TASK = "ridgeline.train"
"""The task's name. Its one argument is a job id: a hint that may be lost, late or doubled."""


TRAIN_QUEUE = "train"
"""The queue the hints go through."""


class Outbox:
    """The hints that still have to be sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending_dispatches(self, limit: int = 100, hold_s: float = 10.0) -> list[Dispatch]:
        """Take up to `limit` hints to send, oldest first.

        Other janitors do not see them for `hold_s` seconds; what is not marked by then is offered
        again. Hints for jobs that wait out a backoff are held back until it is over.
        """
        unheld = or_(outbox.c.held_until.is_(None), outbox.c.held_until <= now_ms())
        takeable = (
            select(outbox.c.id, outbox.c.job_id)
            .where(outbox.c.available_at <= now_ms(), unheld)
            .order_by(outbox.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            taken = [Dispatch(row.id, row.job_id) for row in connection.execute(takeable)]
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([dispatch.outbox_id for dispatch in taken]))
                .values(held_until=now_ms() + milliseconds(hold_s))
            )
        return taken

    def mark_dispatched(self, outbox_ids: Sequence[int]) -> int:
        """Strike out hints that were sent; returns how many no one had struck out before."""
        with self._database.write() as connection:
            sent = connection.execute(
                delete(outbox).where(outbox.c.id.in_(outbox_ids)).returning(outbox.c.job_id)
            ).scalars()
            job_ids = list(sent)
            # A row that is locked is being claimed or cancelled: waiting for it could deadlock.
            queued = (
                select(jobs.c.id)
                .where(jobs.c.id.in_(job_ids), jobs.c.status == JobStatus.QUEUED)
                .with_for_update(skip_locked=True)
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.id.in_(connection.execute(queued).scalars().all()))
                .values(last_dispatched_at=now_ms())
            )
        return len(job_ids)

    def claimable(self) -> int:
        """How many queued jobs a worker could claim now whose hint has left the outbox.

        So many hints lie in the broker if none was lost.
        """
        # Two counts: the outbox is mostly short, so that no job of a long queue is looked up in it.
        waiting = select(func.count()).select_from(jobs).where(*_CLAIMABLE)
        hinted = select(func.count(outbox.c.job_id.distinct())).where(
            exists().where(jobs.c.id == outbox.c.job_id, *_CLAIMABLE)
        )
        with self._database.read() as connection:
            statement = select(waiting.scalar_subquery() - hinted.scalar_subquery())
            return int(connection.execute(statement).scalar_one())

    def redispatch(self, older_than_s: float = 30.0, limit: int = 1000) -> list[str]:
        """Order a new hint for claimable jobs whose last one was sent over `older_than_s` ago.

        Returns their ids, at most `limit`, those that have waited longest for one first. A job with
        a hint still in the outbox gets no second one.
        """
        last = jobs.c.last_dispatched_at
        forgotten = (
            *_CLAIMABLE,
            ~exists().where(outbox.c.job_id == jobs.c.id),
            or_(last.is_(None), last < now_ms() - milliseconds(older_than_s)),
        )
        oldest = (
            select(jobs.c.id)
            .where(*forgotten)
            .order_by(func.coalesce(last, 0), jobs.c.available_at)
            .limit(limit)
        )
        # All that wait are looked through, so nobody who writes should have to wait for that.
        with self._database.read() as connection:
            found = connection.execute(oldest).scalars().all()
        if not found:
            return []
        still = select(jobs.c.id).where(jobs.c.id.in_(found), *forgotten)
        with self._database.write() as connection:
            locked = still.with_for_update(skip_locked=True)
            ids = set(connection.execute(locked).scalars())
            # Setting it here too makes a janitor that raced for the same row see it is done.
            connection.execute(
                update(jobs).where(jobs.c.id.in_(ids)).values(last_dispatched_at=now_ms())
            )
            ordered = [job_id for job_id in found if job_id in ids]
            add_hints(connection, ordered)
            failpoint("redispatch.before_commit")
        return ordered


def add_hints(connection: Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """Put hints to be sent at once into the outbox, in order; returns their ids by job."""
    if not job_ids:
        return {}
    hints = connection.execute(_HINT, [{"job_id": job_id} for job_id in job_ids])
    return {row.job_id: row.id for row in hints}


def add_hint(connection: Connection, job_id: str, delay_s: float = 0.0) -> int:
    """Put a hint for `job_id` into the outbox, to be sent in `delay_s` seconds; returns its id."""
    statement = insert(outbox).values(job_id=job_id, available_at=now_ms() + milliseconds(delay_s))
    return int(connection.execute(statement.returning(outbox.c.id)).scalar_one())
