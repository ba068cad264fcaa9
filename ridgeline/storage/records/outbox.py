"""The outbox: hints to the broker, stored in the transaction that makes a job claimable.

A hint may be lost, late or duplicated without harm, but every queued job must eventually get one.
Any number of janitors may use the outbox at once.
"""

from collections.abc import Sequence

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import JobStatus
from ridgeline.failpoints import failpoint
from ridgeline.storage.columns import milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records.values import Hint
from ridgeline.storage.tables import QUEUED, jobs, outbox

_CLAIMABLE = (QUEUED, jobs.c.available_at <= now_ms())
"""The jobs that a worker could claim now."""


_HINT = insert(outbox).values(available_at=now_ms()).returning(outbox.c.id, outbox.c.job_id)


TRAIN_TASK = "ridgeline.train"
"""The name of the Celery task. Its only argument is a job id."""


TRAIN_QUEUE = "train"
"""The broker's queue of hints."""


class Outbox:
    """The hints that are still to be sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending_dispatches(self, limit: int = 100, hold_s: float = 10.0) -> list[Hint]:
        """Reserve up to `limit` hints to send, oldest first.

        Other janitors do not see them for `hold_s` seconds; a hint that is not marked as dispatched
        by then is pending again. A job in backoff has no pending hint until the backoff is over.
        """
        unheld = or_(outbox.c.held_until.is_(None), outbox.c.held_until <= now_ms())
        due = (
            select(outbox.c.id, outbox.c.job_id)
            .where(outbox.c.available_at <= now_ms(), unheld)
            .order_by(outbox.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            hints = [Hint(row.id, row.job_id) for row in connection.execute(due)]
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([hint.outbox_id for hint in hints]))
                .values(held_until=now_ms() + milliseconds(hold_s))
            )
        return hints

    def mark_dispatched(self, outbox_ids: Sequence[int]) -> int:
        """Delete hints that were sent; returns how many were still there."""
        with self._database.write() as connection:
            sent = connection.execute(
                delete(outbox).where(outbox.c.id.in_(outbox_ids)).returning(outbox.c.job_id)
            ).scalars()
            job_ids = list(sent)
            # A locked row is being claimed or cancelled; waiting for it could deadlock.
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
        """How many claimable jobs have no hint in the outbox.

        The broker has as many hints if none was lost.
        """
        # Two counts: the outbox is mostly short, so the jobs of a long queue need no lookup in it.
        waiting = select(func.count()).select_from(jobs).where(*_CLAIMABLE)
        hinted = select(func.count(outbox.c.job_id.distinct())).where(
            exists().where(jobs.c.id == outbox.c.job_id, *_CLAIMABLE)
        )
        with self._database.read() as connection:
            statement = select(waiting.scalar_subquery() - hinted.scalar_subquery())
            return int(connection.execute(statement).scalar_one())

    def redispatch(self, older_than_s: float = 30.0, limit: int = 1000) -> list[str]:
        """Add a new hint for claimable jobs whose last one was sent over `older_than_s` ago.

        Returns the ids of at most `limit` jobs, those that have waited longest first. A job whose
        hint is still in the outbox gets no second one.
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
        # This scans the whole queue, so it runs outside the write transaction.
        with self._database.read() as connection:
            waiting = connection.execute(oldest).scalars().all()
        if not waiting:
            return []
        still = select(jobs.c.id).where(jobs.c.id.in_(waiting), *forgotten)
        with self._database.write() as connection:
            locked = still.with_for_update(skip_locked=True)
            ids = set(connection.execute(locked).scalars())
            # Also set here, so that a janitor racing for the same row sees that it is done.
            connection.execute(
                update(jobs).where(jobs.c.id.in_(ids)).values(last_dispatched_at=now_ms())
            )
            ordered = [job_id for job_id in waiting if job_id in ids]
            add_hints(connection, ordered)
            failpoint("redispatch.before_commit")
        return ordered


def add_hints(connection: Connection, job_ids: Sequence[str]) -> dict[str, int]:
    """Add hints to be sent at once, in order; returns their outbox ids by job id."""
    if not job_ids:
        return {}
    hints = connection.execute(_HINT, [{"job_id": job_id} for job_id in job_ids])
    return {row.job_id: row.id for row in hints}


def add_hint(connection: Connection, job_id: str, delay_s: float = 0.0) -> int:
    """Add a hint to be sent in `delay_s` seconds; returns its outbox id."""
    statement = insert(outbox).values(job_id=job_id, available_at=now_ms() + milliseconds(delay_s))
    return int(connection.execute(statement.returning(outbox.c.id)).scalar_one())
