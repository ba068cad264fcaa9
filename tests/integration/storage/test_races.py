"""Races: exactly one contender wins."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from ridgeline.api.job import EndReason, JobStatus, can_become
from ridgeline.storage import (
    Claim,
    Database,
    Idempotency,
    IllegalTransition,
    JobStore,
    LeaseStore,
    Outbox,
)

Together = Callable[..., list[Any]]


def test_fifty_posts_with_one_key_create_one_job(
    jobs: JobStore, outbox: Outbox, new_job: Any, together: Together
) -> None:
    created = together(*[lambda: jobs.create(new_job(), Idempotency("key", "hash"))] * 50)
    assert len({each.record.id for each in created}) == 1
    assert [each.replayed for each in created].count(False) == 1
    assert len(jobs.list([JobStatus.QUEUED]).records) == 1
    assert len(outbox.pending_dispatches()) == 1


def test_eight_workers_claim_one_job(
    jobs: JobStore, leases: LeaseStore, submit: Any, together: Together
) -> None:
    for _ in range(5):
        job_id = submit()
        claims = together(*[lambda: leases.claim(job_id, "w")] * 8)  # noqa: B023 -- run at once
        assert len([claim for claim in claims if claim]) == 1
        assert len(jobs.attempts(job_id)) == 1


def test_confirmed_cancel_never_succeeds(
    jobs: JobStore, leases: LeaseStore, start: Any, completed: EndReason, together: Together
) -> None:
    outcomes = set()
    for _ in range(200):
        claim: Claim = start()

        def cancel(job_id: str = claim.job_id) -> JobStatus | None:
            try:
                return jobs.request_cancel(job_id).status
            except IllegalTransition:
                return None

        def finish(claim: Claim = claim) -> bool:
            return leases.finish(claim, JobStatus.SUCCEEDED, completed)

        cancelled, finished = together(cancel, finish)
        record = jobs.get(claim.job_id)
        assert record is not None
        assert finished is (cancelled is None)
        assert record.status is (JobStatus.SUCCEEDED if finished else JobStatus.CANCELLING)
        outcomes.add(finished)
    assert outcomes  # both orders are fine; each was consistent


def test_cancel_races_a_claim(
    jobs: JobStore, leases: LeaseStore, submit: Any, together: Together
) -> None:
    for _ in range(20):
        job_id = submit()
        record, claim = together(
            lambda: jobs.request_cancel(job_id),  # noqa: B023 -- run at once
            lambda: leases.claim(job_id, "w"),  # noqa: B023
        )
        wanted = JobStatus.CANCELLED if claim is None else JobStatus.CANCELLING
        assert record.status is wanted


def test_two_reapers_race_a_late_heartbeat(
    jobs: JobStore, leases: LeaseStore, start: Any, expire: Any, together: Together
) -> None:
    for _ in range(15):
        claim: Claim = start()
        expire(claim.job_id)
        first, second, answer = together(
            leases.reap,
            leases.reap,
            lambda: leases.heartbeat(claim),  # noqa: B023 -- run at once
        )
        assert len(first + second) == (1 if answer is None else len(first + second))
        record = jobs.get(claim.job_id)
        assert record is not None
        assert record.crash_count == len(first + second)
        if not first + second:
            assert record.status is JobStatus.RUNNING


def test_events_record_every_transition_of_a_race(
    jobs: JobStore, leases: LeaseStore, submit: Any, completed: EndReason, together: Together
) -> None:
    job_id = submit()

    def work() -> None:
        for _ in range(6):
            claim = leases.claim(job_id, "w")
            if claim:
                leases.heartbeat(claim)
                leases.release(claim, penalized=False)

    together(*[work] * 4)
    moves = [(each.before, each.after) for each in jobs.events(job_id)]
    assert moves[0] == (None, JobStatus.QUEUED)
    for (_, reached), (before, after) in pairwise(moves):
        assert before is reached
        assert before is not None
        assert after is not None
        assert can_become(before, after)
    ids = [each.id for each in jobs.events(job_id)]
    assert ids == sorted(ids)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_janitors_skip_locked_rows(
    database: Database, leases: LeaseStore, outbox: Outbox, start: Any, submit: Any, expire: Any
) -> None:
    """Only PostgreSQL locks rows; a waiting janitor would delay all other jobs."""
    claim = start()
    expire(claim.job_id)
    submit()
    with database.write() as connection:
        connection.execute(text("SELECT id FROM jobs FOR UPDATE"))
        connection.execute(text("SELECT id FROM outbox FOR UPDATE"))
        assert leases.reap() == []
        assert outbox.pending_dispatches() == []
        assert outbox.redispatch(older_than_s=0) == []
    assert len(leases.reap()) == 1
    assert len(outbox.pending_dispatches()) == 2
