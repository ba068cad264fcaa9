"""What a transaction gives account of: its transitions and its counts.

Both are gathered while it runs and written at its end, so that they are committed with what they
tell of, or not at all. The lines of the process's own log follow the commit. A count's row is
locked as the last one of a transaction, and counts in one order, so nothing can deadlock.
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
from sqlalchemy.engine import Connection, RowMapping

from ridgeline.api.lifecycle import JobStatus
from ridgeline.api.log import LogLevel, LogSource
from ridgeline.storage.columns import now_ms
from ridgeline.storage.records.values import AttemptReason, Tally
from ridgeline.storage.tables import log_lines, tallies

SHARDS = 16
"""Into how many rows a count is split on PostgreSQL, where several transactions write at once."""
EPOCH_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""The upper bounds of the histogram of epochs."""
_ACCOUNT = "ridgeline.account"
_BAD = frozenset({AttemptReason.CRASHED.value, AttemptReason.LEASE_EXPIRED.value})

logger = logging.getLogger("ridgeline.transitions")


class Transition(NamedTuple):
    """A change of a job's status, as the logs tell it."""

    job: str
    attempt: int
    fence: int
    before: JobStatus | None
    after: JobStatus
    reason: str | None
    """The EndCode of a job that has ended, or else the AttemptReason of an attempt that has."""

    @property
    def level(self) -> LogLevel:
        """A warning where something went wrong."""
        wrong = self.after is JobStatus.FAILED or self.reason in _BAD
        return LogLevel.WARNING if wrong else LogLevel.INFO


@dataclass
class Account:
    """What one transaction has to tell; see account_of()."""

    transitions: list[Transition] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def moved(
        self,
        row: RowMapping,
        before: JobStatus | None,
        after: JobStatus,
        reason: str | None,
        attempt_reason: str | None,
    ) -> None:
        """Take down a transition of the locked job of `row`, and count what it means."""
        why = reason or attempt_reason
        told = Transition(row["id"], row["attempt"], row["fence"], before, after, why)
        self.transitions.append(told)
        if before is JobStatus.QUEUED and after is JobStatus.RUNNING:
            self.count(Tally.ATTEMPTS_STARTED)
        if before is not None and before.held and not after.held:
            self.count(Tally.ATTEMPTS_ENDED, attempt_reason or "")
        if after.terminal:
            self.count(Tally.JOBS_ENDED, reason or "")

    def count(self, tally: Tally, label: str = "", by: float = 1) -> None:
        """Raise a count."""
        self.counts[tally.value, label] += by  # type: ignore[assignment] # seconds are no integers

    def write(self, connection: Connection) -> None:
        """Write everything, as the last statements of the transaction."""
        if self.transitions:
            connection.execute(_INSERT_LINE, [_log_line(each) for each in self.transitions])
        if self.counts:
            on_sqlite = connection.dialect.name == "sqlite"
            shard = 0 if on_sqlite else threading.get_native_id() % SHARDS
            rows = [
                {"name": name, "label": label, "shard": shard, "value": value}
                for (name, label), value in sorted(self.counts.items())
            ]
            connection.execute(_ADD_ON_SQLITE if on_sqlite else _ADD_ON_POSTGRESQL, rows)

    def tell(self) -> None:
        """Log the transitions; they are committed."""
        for each in self.transitions:
            level = logging.getLevelNamesMapping()[each.level.upper()]
            logger.log(level, "transition", extra=each._asdict())


@contextmanager
def accounting(connection: Connection) -> Iterator[Account]:
    """The account of the transaction that runs in the block."""
    info: dict[Any, Any] = connection.info
    account = info[_ACCOUNT] = Account()
    try:
        yield account
    finally:
        info.pop(_ACCOUNT, None)


def account_of(connection: Connection) -> Account:
    """The account of the writing transaction that `connection` is in."""
    account: Account = connection.info[_ACCOUNT]
    return account


def epoch_bucket(seconds: float) -> str:
    """The label under which an epoch of so many seconds is counted: its bucket's upper bound."""
    return next((str(bound) for bound in EPOCH_BUCKETS_S if seconds <= bound), "+Inf")


def next_number(job_id: Any) -> Any:
    """The number of the next line of a job's log; the job's row is locked, so nobody else takes it.

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


def _log_line(told: Transition) -> dict[str, Any]:
    fields = {"before": told.before, "after": told.after, "reason": told.reason}
    return {
        "of_job": told.job,
        "in_attempt": told.attempt,
        "under_fence": told.fence,
        "at_level": told.level.value,
        "and_fields": json.dumps(fields),
    }


def _adding(dialect: Any) -> Any:
    statement = dialect.insert(tallies)
    more = {"value": tallies.c.value + statement.excluded.value}
    return statement.on_conflict_do_update(index_elements=tallies.primary_key, set_=more)


_ADD_ON_SQLITE = _adding(sqlite)
_ADD_ON_POSTGRESQL = _adding(postgresql)
