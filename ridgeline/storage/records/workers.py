"""The workers with the jobs they hold, and figures of the whole service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from sqlalchemy import case, delete, func, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import HELD, TERMINAL, JobStatus
from ridgeline.api.worker import WorkerState
from ridgeline.storage.columns import RowReader, Word, milliseconds, now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records.leases import LEASE_S
from ridgeline.storage.records.values import NewWorker, Tally, WorkerRecord
from ridgeline.storage.tables import QUEUED, attempts, jobs, outbox, tallies, workers

FORGOTTEN_AFTER_S = 86_400.0
"""How long a worker is listed after its last report."""
_ENDED = (WorkerState.GONE.value,)


class WorkerStore:
    """The workers in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, worker: NewWorker, state: WorkerState) -> None:
        """Record the state of a worker, and that it is alive; the first report registers it."""
        values: dict[str, Any] = {
            "id": worker.id,
            "host": worker.host,
            "pid": worker.pid,
            "slots": worker.slots,
            "version": worker.version,
            "started_at": now_ms(),
        }
        seen = {"state": state.value, "seen_at": now_ms()}
        dialect: Any = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(workers).values(**values, **seen)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=seen))

    def list(self, lease_s: float = LEASE_S) -> list[WorkerRecord]:
        """Every worker, newest first, with its jobs; one without a report for `lease_s` is lost."""
        silent = workers.c.seen_at < now_ms() - milliseconds(lease_s)
        lost = silent & workers.c.state.not_in(_ENDED)
        state = case((lost, WorkerState.LOST.value), else_=workers.c.state)
        reader = RowReader(
            WorkerRecord, workers, without=("jobs",), state=type_coerce(state, Word(WorkerState))
        )
        newest = select(*reader.columns).order_by(workers.c.started_at.desc(), workers.c.id)
        with self._database.read() as connection:
            held = _held(connection)
            records = reader.read_all(connection.execute(newest))
        return [replace(record, jobs=tuple(held.get(record.id, ()))) for record in records]

    def forget(self, older_than_s: float = FORGOTTEN_AFTER_S) -> int:
        """Delete the workers whose last report is older; returns how many."""
        past = workers.c.seen_at < now_ms() - milliseconds(older_than_s)
        with self._database.write() as connection:
            return connection.execute(delete(workers).where(past)).rowcount


def _held(connection: Connection) -> dict[str, list[str]]:
    """The ids of held jobs, by the owner of their leases."""
    statement = select(jobs.c.lease_owner, jobs.c.id).where(jobs.c.status.in_(HELD))
    held: dict[str, list[str]] = {}
    for owner, job_id in connection.execute(statement.order_by(jobs.c.id)):
        held.setdefault(owner, []).append(job_id)
    return held


WAITING = tuple(sorted(set(JobStatus) - TERMINAL))
"""The statuses of jobs that have not ended."""


@dataclass(frozen=True)
class Figures:
    """The figures of the whole service, in one consistent snapshot."""

    jobs: Mapping[JobStatus, int]
    """The number of jobs in each status that is not terminal."""
    oldest_wait_s: float
    """How long the oldest claimable job has waited; 0 without one."""
    since_claim_s: float
    """How long ago the newest of the held jobs was claimed; infinite without one."""
    outbox: int
    """The number of hints that were not sent yet."""
    counts: Mapping[Tally, Mapping[str, float]]
    """The counts by label."""


class FigureStore:
    """Reads the figures, without a look at jobs that have ended, however many there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Figures:
        """The current figures."""
        with self._database.read() as connection:
            return Figures(
                jobs=_jobs(connection),
                oldest_wait_s=_oldest_wait_s(connection),
                since_claim_s=_since_claim_s(connection),
                outbox=connection.execute(select(func.count()).select_from(outbox)).scalar_one(),
                counts=_counts(connection),
            )

    def waiting(self) -> tuple[float, float]:
        """Only Figures.oldest_wait_s and since_claim_s."""
        with self._database.read() as connection:
            return _oldest_wait_s(connection), _since_claim_s(connection)


def _oldest_wait_s(connection: Connection) -> float:
    since = func.min(jobs.c.available_at, type_=now_ms().type)
    statement = select(now_ms() - since).where(QUEUED)
    waited = connection.execute(statement).scalar_one()
    return max(0.0, (waited or 0) / 1000)


def _since_claim_s(connection: Connection) -> float:
    held = (jobs.c.id == attempts.c.job_id) & (jobs.c.attempt == attempts.c.attempt)
    last = func.max(attempts.c.started_at, type_=now_ms().type)
    statement = select(now_ms() - last).select_from(jobs).join(attempts, held)
    since = connection.execute(statement.where(jobs.c.status.in_(HELD))).scalar_one_or_none()
    return inf if since is None else max(0.0, since / 1000)


def _jobs(connection: Connection) -> dict[JobStatus, int]:
    counted = select(jobs.c.status, func.count()).where(jobs.c.status.in_(WAITING))
    rows = connection.execute(counted.group_by(jobs.c.status))
    known: dict[JobStatus, int] = dict(rows.all())
    return {status: known.get(status, 0) for status in WAITING}


def _counts(connection: Connection) -> dict[Tally, dict[str, float]]:
    summed = select(tallies.c.name, tallies.c.label, func.sum(tallies.c.value))
    counts: dict[Tally, dict[str, float]] = {tally: {} for tally in Tally}
    for name, label, value in connection.execute(summed.group_by(tallies.c.name, tallies.c.label)):
        if name in counts:  # a later release may count more
            counts[Tally(name)][label] = value
    return counts
