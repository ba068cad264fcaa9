"""Transitions are logged once, after their commit; counts are part of the transaction."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import (
    AttemptExit,
    Claim,
    Database,
    DatabaseUnavailable,
    FigureStore,
    JobStore,
    LeaseStore,
    LogStore,
    Tally,
)
from ridgeline.storage.records.status_changes import locked, move

Told = tuple[str, int, int, str | None, str, str | None]


class Listener(logging.Handler):
    """Keeps the logged transitions, with the stored status of the job at that moment."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._jobs = JobStore(database)
        self.told: list[Told] = []
        self.seen: list[JobStatus | None] = []

    def emit(self, record: logging.LogRecord) -> None:
        line: Any = record
        names = ("job", "attempt", "fence", "before", "after", "reason")
        self.told.append(tuple(getattr(line, name) for name in names))
        job = self._jobs.get(line.job)  # in a transaction of its own, so it sees what is committed
        self.seen.append(None if job is None else job.status)


@pytest.fixture
def listener(database: Database) -> Iterator[Listener]:
    logger = logging.getLogger("ridgeline.transitions")
    listener, level = Listener(database), logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    yield listener
    logger.removeHandler(listener)
    logger.setLevel(level)


@pytest.fixture
def counts(database: Database) -> Callable[[Tally], dict[str, float]]:
    return lambda tally: dict(FigureStore(database).read().counts[tally])


def test_transition_is_logged_once_after_its_commit(
    database: Database,
    submit: Callable[..., str],
    leases: LeaseStore,
    listener: Listener,
    completed: EndReason,
) -> None:
    job_id = submit()
    claim = leases.claim(job_id, "worker")
    assert claim is not None
    leases.release(claim, penalized=True, delay_s=0.0)
    again = leases.claim(job_id, "worker")
    assert again is not None
    assert not leases.finish(claim, JobStatus.SUCCEEDED, completed)  # of a lost claim nothing
    assert leases.finish(again, JobStatus.SUCCEEDED, completed)
    assert leases.finish(again, JobStatus.SUCCEEDED, completed)  # asked again it changes nothing
    assert listener.told == [
        (job_id, 0, 0, None, "queued", None),
        (job_id, 1, 1, "queued", "running", None),
        (job_id, 1, 1, "running", "queued", "crashed"),
        (job_id, 2, 2, "queued", "running", None),
        (job_id, 2, 2, "running", "succeeded", "completed"),
    ]
    assert listener.seen == [told[4] for told in listener.told]
    levels = [record.level for record in LogStore(database).page(job_id).records]
    assert levels == ["info", "info", "warning", "info", "info"]


def test_rolled_back_transition_is_neither_logged_nor_counted(
    database: Database,
    start: Callable[..., Claim],
    listener: Listener,
    counts: Callable[[Tally], dict[str, float]],
    rows_in: Callable[..., int],
    failure: EndReason,
) -> None:
    claim = start()
    told = len(listener.told)

    def fail() -> None:
        with database.write() as connection:
            row = locked(connection, claim.job_id)
            assert row is not None
            move(connection, row, JobStatus.FAILED, reason=failure)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(listener.told) == told
    assert counts(Tally.JOBS_ENDED) == {}
    assert rows_in("log_lines", claim.job_id) == 2


def test_counts_outlive_deleted_jobs(
    jobs: JobStore,
    start: Callable[..., Claim],
    leases: LeaseStore,
    row: Callable[..., EpochRow],
    failure: EndReason,
    counts: Callable[[Tally], dict[str, float]],
) -> None:
    claim = start()
    leases.record_epochs(claim, [row(1), row(2)], None)
    leases.record_epochs(claim, [row(1), row(2), row(3)], None)  # a lost answer: one is new
    leases.finish(claim, JobStatus.FAILED, failure, attempt_exit=AttemptExit(publish_failed=True))
    jobs.delete(claim.job_id)
    assert counts(Tally.ATTEMPTS_STARTED) == {"": 1}
    assert counts(Tally.ATTEMPTS_ENDED) == {EndCode.DIVERGED: 1}
    assert counts(Tally.JOBS_ENDED) == {EndCode.DIVERGED: 1}
    assert counts(Tally.PUBLISH_FAILURES) == {"": 1}
    assert counts(Tally.EPOCH_SECONDS) == {"0.3": 3}
    assert counts(Tally.EPOCH_SECONDS_SUM) == {"": pytest.approx(0.6)}


def test_expired_lease_is_counted_as_lease_expired(
    start: Callable[..., Claim],
    expire: Callable[[str], None],
    leases: LeaseStore,
    counts: Callable[[Tally], dict[str, float]],
) -> None:
    for _ in range(3):
        expire(start().job_id)
    assert len(leases.reap()) == 3
    assert counts(Tally.ATTEMPTS_ENDED) == {"lease_expired": 3}
    assert counts(Tally.JOBS_ENDED) == {}


def test_concurrent_transactions_lose_no_count(
    leases: LeaseStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    together: Callable[..., list[Any]],
    counts: Callable[[Tally], dict[str, float]],
    failure: EndReason,
) -> None:
    """Nor do they deadlock: transactions that end jobs count in the same rows."""
    claims = [start() for _ in range(8)]

    def train(claim: Claim) -> bool:
        for epoch in range(1, 6):
            leases.record_epochs(claim, [row(epoch)], None)
        return leases.finish(claim, JobStatus.FAILED, failure)

    assert all(together(*(lambda claim=claim: train(claim) for claim in claims)))
    assert counts(Tally.EPOCH_SECONDS) == {"0.3": 40}
    assert counts(Tally.JOBS_ENDED) == {"diverged": 8}


def test_failed_count_rolls_the_transaction_back(
    database: Database,
    submit: Callable[..., str],
    leases: LeaseStore,
    jobs: JobStore,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The counts are part of the transaction."""
    job_id = submit()
    told = len(listener.told)

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr("ridgeline.storage.records.account.Account.write", away)
        with pytest.raises(DatabaseUnavailable):
            leases.claim(job_id, "worker")
    job = jobs.get(job_id)
    assert job is not None
    assert (job.status, job.attempt, len(listener.told)) == (JobStatus.QUEUED, 0, told)
