"""A job's events, read after the last known one while others write."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason, JobStatus
from ridgeline.storage import (
    Claim,
    Database,
    EventRecord,
    EventStore,
    EventType,
    JobStore,
    LeaseStore,
)

LIMIT = 100


@pytest.fixture
def events(database: Database) -> EventStore:
    return EventStore(database)


def epochs_behind(events: EventStore, job_id: str, after: int) -> tuple[list[int], int]:
    """The epochs after the event `after`, and the id of the last event."""
    found = events.page(job_id, after, LIMIT)
    assert found is not None
    rows = [
        EpochRow.model_validate_json(each.payload)
        for each in found.records
        if each.type is EventType.EPOCH
    ]
    return [each.epoch for each in rows], found.records[-1].id if found.records else after


def test_page_has_events_and_the_state_of_the_job(
    events: EventStore,
    jobs: JobStore,
    leases: LeaseStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    completed: EndReason,
) -> None:
    claim, other = start(), start()
    for each in (claim, other):
        leases.record_epochs(each, [row(1), row(2)], None)
    found = events.page(claim.job_id, 0, LIMIT)
    assert found is not None
    assert list(found.records) == jobs.events(claim.job_id)
    assert (found.newest, found.ended) == (found.records[-1].id, False)
    leases.finish(claim, JobStatus.SUCCEEDED, completed)
    last = events.page(claim.job_id, found.newest, LIMIT)
    assert last is not None
    assert [each.after for each in last.records] == [JobStatus.SUCCEEDED]
    assert (last.newest, last.ended) == (last.records[-1].id, True)
    assert last.version > found.version
    record = jobs.get(claim.job_id)
    assert record is not None
    assert last.version == record.version
    assert events.page(claim.job_id, last.newest, LIMIT) == last._replace(records=())
    jobs.delete(claim.job_id)
    assert events.page(claim.job_id, 0, LIMIT) is None


@pytest.mark.parametrize("max_bytes", [1, 300, 1000, 10**6])
def test_page_ends_early_at_the_byte_limit(
    events: EventStore,
    leases: LeaseStore,
    jobs: JobStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    max_bytes: int,
) -> None:
    claim = start()
    leases.record_epochs(claim, [row(number) for number in range(1, 30)], None)
    every: list[EventRecord] = []
    after = 0
    while True:
        found = events.page(claim.job_id, after, 10, max_bytes)
        assert found is not None
        if not found.records:
            break
        assert len(found.records) <= 10
        assert sum(len(each.payload) for each in found.records[:-1]) < max_bytes
        every += found.records
        after = found.records[-1].id
    assert every == jobs.events(claim.job_id)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_late_commit_is_not_skipped(
    events: EventStore,
    leases: LeaseStore,
    jobs: JobStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    sql: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL gives ids before a commit: a higher one may be seen before a lower one.

    Not so within a job: who would add to its events waits until those before are committed.
    """
    claim, other = start(), start()
    _, after = epochs_behind(events, claim.job_id, 0)
    held, go_on = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == "epochs.before_commit" and threading.current_thread().name.startswith("slow"):
            held.set()
            assert go_on.wait(30)

    monkeypatch.setattr("ridgeline.storage.records.leases.failpoint", hold)
    with (
        ThreadPoolExecutor(1, "slow") as slow,
        ThreadPoolExecutor(2, "quick") as quick,
    ):
        lower: Any = slow.submit(leases.record_epochs, claim, [row(1), row(2)], None)
        assert held.wait(30)
        # Others get higher ids and are committed first; nothing of this job may be among them.
        leases.record_epochs(other, [row(1)], None)
        (told,), newest = epochs_behind(events, other.job_id, after)
        assert told == 1
        higher: Any = quick.submit(leases.record_epochs, claim, [row(3)], None)
        cancelled: Any = quick.submit(jobs.request_cancel, claim.job_id)
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        deadline = time.monotonic() + 30
        while len(sql(waiting)) < 2:
            assert time.monotonic() < deadline
        assert epochs_behind(events, claim.job_id, after) == ([], after)
        go_on.set()
        lower.result(30)
        seen, last = epochs_behind(events, claim.job_id, after)
        assert seen[:2] == [1, 2]
        higher.result(30)
        cancelled.result(30)
    assert seen + epochs_behind(events, claim.job_id, last)[0] == [1, 2, 3]
    ids = [each.id for each in jobs.events(claim.job_id)]
    assert ids == sorted(ids)
    assert after < ids[2] < newest < ids[-1]


def test_reader_among_many_writers_sees_every_event_once(
    events: EventStore,
    leases: LeaseStore,
    jobs: JobStore,
    start: Callable[..., Claim],
    row: Callable[..., EpochRow],
    completed: EndReason,
) -> None:
    claims = [start() for _ in range(2)]
    followed: dict[str, list[int]] = {claim.job_id: [] for claim in claims}

    def work(claim: Claim) -> None:
        for number in range(1, 16):
            leases.record_epochs(claim, [row(number)], None)
        leases.finish(claim, JobStatus.SUCCEEDED, completed)

    def follow(claim: Claim) -> None:
        after = 0
        while (found := events.page(claim.job_id, after, LIMIT)) is not None:
            followed[claim.job_id] += [each.id for each in found.records]
            after = found.records[-1].id if found.records else after
            if found.ended and after == found.newest:
                return
            time.sleep(0.002)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(each, claim) for claim in claims for each in (work, follow)]:
            done.result(60)
    for claim in claims:
        assert followed[claim.job_id] == [each.id for each in jobs.events(claim.job_id)]
