"""The transitions and counts of a transaction.

They are collected while it runs and written at its end, so they are committed together with the
changes they describe. The process's own log follows the commit. The rows of counts are locked last
and always in the same order, so transactions cannot deadlock on them.
"""

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from ridgeline.api.lifecycle import JobStatus
from ridgeline.api.log import LogLevel, LogSource
from ridgeline.storage.columns import now_ms
from ridgeline.storage.records.values import AttemptReason, JobRecord, LockedJob, Tally
from ridgeline.storage.tables import log_lines, tallies

SHARDS = 16
"""The rows that a count is split into on PostgreSQL, where transactions write concurrently."""
EPOCH_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""The upper bounds of the buckets of the histogram of epoch durations."""
_ACCOUNT = "ridgeline.account"
_BAD = frozenset({AttemptReason.CRASHED.value, AttemptReason.LEASE_EXPIRED.value})

logger = logging.getLogger("ridgeline.transitions")


class Transition(NamedTuple):
    """A change of a job's status, as logged."""

    job: str
    attempt: int
    fence: int
    before: JobStatus | None
    after: JobStatus
    reason: str | None
    """The EndCode if the job has ended, else the AttemptReason if the attempt has."""

    @property
    def level(self) -> LogLevel:
        """WARNING if something went wrong, else INFO."""
        wrong = self.after is JobStatus.FAILED or self.reason in _BAD
        return LogLevel.WARNING if wrong else LogLevel.INFO


@dataclass
class Account:
    """The transitions and counts of one transaction; see account_of()."""

    transitions: list[Transition] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add_transition(
        self,
        job: LockedJob | JobRecord,
        before: JobStatus | None,
        after: JobStatus,
        reason: str | None,
        attempt_reason: str | None,
    ) -> None:
        """Record a transition of a locked job, and count it."""
        why = reason or attempt_reason
        self.transitions.append(Transition(job.id, job.attempt, job.fence, before, after, why))
        if before is JobStatus.QUEUED and after is JobStatus.RUNNING:
            self.count(Tally.ATTEMPTS_STARTED)
        if before is not None and before.held and not after.held:
            self.count(Tally.ATTEMPTS_ENDED, attempt_reason or "")
        if after.terminal:
            self.count(Tally.JOBS_ENDED, reason or "")

    def count(self, tally: Tally, label: str = "", by: float = 1) -> None:
        """Increase a count."""
        self.counts[tally.value, label] += by  # type: ignore[assignment] # seconds are floats

    def write(self, connection: Connection) -> None:
        """Write everything, as the last statements of the transaction."""
        if self.transitions:
            connection.execute(_INSERT_LINE, [_log_line(moved) for moved in self.transitions])
        if self.counts:
            on_sqlite = connection.dialect.name == "sqlite"
            shard = 0 if on_sqlite else threading.get_native_id() % SHARDS
            rows = [
                {"name": name, "label": label, "shard": shard, "value": value}
                for (name, label), value in sorted(self.counts.items())
            ]
            connection.execute(_ADD_ON_SQLITE if on_sqlite else _ADD_ON_POSTGRESQL, rows)

    def log(self) -> None:
        """Log the transitions, once they are committed."""
        for moved in self.transitions:
            level = logging.getLevelNamesMapping()[moved.level.upper()]
            logger.log(level, "transition", extra=moved._asdict())


@contextmanager
def accounting(connection: Connection) -> Iterator[Account]:
    """Keep an account of the transaction that runs in the block."""
    info: dict[Any, Any] = connection.info
    account = info[_ACCOUNT] = Account()
    try:
        yield account
    finally:
        info.pop(_ACCOUNT, None)


def account_of(connection: Connection) -> Account:
    """The account of the write transaction that `connection` is in."""
    account: Account = connection.info[_ACCOUNT]
    return account


def epoch_bucket(seconds: float) -> str:
    """The label of the histogram bucket for an epoch of `seconds`: the bucket's upper bound."""
    return next((str(bound) for bound in EPOCH_BUCKETS_S if seconds <= bound), "+Inf")


def next_number(job_id: Any) -> Any:
    """The number of the next line of a job's log; the job's row must be locked.

    `job_id` is a value or a bound parameter.
    """
    newest = select(func.coalesce(func.max(log_lines.c.number), 0) + 1)
    return newest.where(log_lines.c.job_id == job_id).scalar_subquery()


_INSERT_LINE = insert(log_lines).values(
    job_id=bindparam("of_job"),
    number=next_number(bindparam("of_job")),
    at=now_ms(),
    attempt=bindparam("in_attempt"),
    fence=bindparam("under_fence"),
    level=bindparam("at_level"),
    source=LogSource.JOB.value,
    event="transition",
    fields=bindparam("and_fields"),
)


def _log_line(moved: Transition) -> dict[str, Any]:
    fields = {"before": moved.before, "after": moved.after, "reason": moved.reason}
    return {
        "of_job": moved.job,
        "in_attempt": moved.attempt,
        "under_fence": moved.fence,
        "at_level": moved.level.value,
        "and_fields": json.dumps(fields),
    }


def _add(dialect: Any) -> Any:
    statement = dialect.insert(tallies)
    increased = {"value": tallies.c.value + statement.excluded.value}
    return statement.on_conflict_do_update(index_elements=tallies.primary_key, set_=increased)


_ADD_ON_SQLITE = _add(sqlite)
_ADD_ON_POSTGRESQL = _add(postgresql)
