"""Figures of the whole service: what was counted, and how things stand."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from ridgeline.contract.job import TERMINAL, JobStatus
from ridgeline.storage.columns import now_ms
from ridgeline.storage.database import Database
from ridgeline.storage.records import Tally
from ridgeline.storage.tables import QUEUED, jobs, outbox, tallies

WAITING = tuple(sorted(set(JobStatus) - TERMINAL))
"""The statuses of jobs that have not ended."""


@dataclass(frozen=True)
class Figures:
    """All of them, in one consistent snapshot."""

    jobs: Mapping[JobStatus, int]
    """How many jobs there are in every status but the terminal ones."""
    oldest_wait_s: float
    """For how long the job that has waited longest could have been claimed; 0 without one."""
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
                oldest_wait_s=oldest_wait_s(connection),
                outbox=connection.execute(select(func.count()).select_from(outbox)).scalar_one(),
                counts=_counts(connection),
            )

    def oldest_wait_s(self) -> float:
        """For how long the job that has waited longest could have been claimed; 0 without one."""
        with self._database.read() as connection:
            return oldest_wait_s(connection)


def oldest_wait_s(connection: Connection) -> float:
    """As FigureStore.oldest_wait_s."""
    since = func.min(jobs.c.available_at, type_=now_ms().type)
    statement = select(now_ms() - since).where(QUEUED)
    waited = connection.execute(statement).scalar_one()
    return max(0.0, (waited or 0) / 1000)


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
