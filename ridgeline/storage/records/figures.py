"""Figures of the whole service: what was counted, and how things stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import HELD, TERMINAL, JobStatus
from ridgeline.storage.columns import now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records.values import Tally
from ridgeline.storage.tables import QUEUED, attempts, jobs, outbox, tallies

WAITING = tuple(sorted(set(JobStatus) - TERMINAL))
"""The statuses of jobs that have not ended."""


@dataclass(frozen=True)
class Figures:
    """All of them, in one consistent snapshot."""

    jobs: Mapping[JobStatus, int]
    """How many jobs there are in every status but the terminal ones."""
    oldest_wait_s: float
    """For how long the job that has waited longest could have been claimed; 0 without one."""
    since_claim_s: float
    """How long ago the last of the jobs that are held was claimed; infinite without one."""
    outbox: int
    """Hints that have not been sent."""
    counts: Mapping[Tally, Mapping[str, float]]
    """Every count by its labels."""


class FigureStore:
    """Reads the figures. It looks at no job that has ended, however many there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Figures:
        """All figures now."""
        with self._database.read() as connection:
            return Figures(
                jobs=_jobs(connection),
                oldest_wait_s=_oldest_wait_s(connection),
                since_claim_s=_since_claim_s(connection),
                outbox=connection.execute(select(func.count()).select_from(outbox)).scalar_one(),
                counts=_counts(connection),
            )

    def waiting(self) -> tuple[float, float]:
        """Figures.oldest_wait_s and since_claim_s alone."""
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
    found: dict[JobStatus, int] = {row.status: row[1] for row in rows}
    return {status: found.get(status, 0) for status in WAITING}


def _counts(connection: Connection) -> dict[Tally, dict[str, float]]:
    summed = select(tallies.c.name, tallies.c.label, func.sum(tallies.c.value))
    counts: dict[Tally, dict[str, float]] = {tally: {} for tally in Tally}
    for name, label, value in connection.execute(summed.group_by(tallies.c.name, tallies.c.label)):
        if name in counts:  # a later release may count more
            counts[Tally(name)][label] = value
    return counts
