"""A new attempt resumes from a checkpoint: which epochs stay, go, and emit events again."""

from collections.abc import Callable
from typing import Any

import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.storage import Claim, EventType, JobStore, LeaseStore
from tests.rig.stored import stored_epochs


@pytest.fixture
def again(
    leases: LeaseStore, start: Callable[..., Claim], row: Callable[..., EpochRow]
) -> Callable[[int], Claim]:
    """The claim of a second attempt, after a first that stored the given epochs."""

    def run(epochs: int) -> Claim:
        first = start()
        leases.record_epochs(first, [row(number) for number in range(1, epochs + 1)], eta_s=1.0)
        leases.release(first, penalized=False)
        second = leases.claim(first.job_id, "worker-2")
        assert second is not None
        return second

    return run


def told(jobs: JobStore, job_id: str) -> list[tuple[int, int]]:
    """Attempt and epoch of the epoch events."""
    return [
        (event.attempt, EpochRow.model_validate_json(event.payload).epoch)
        for event in jobs.events(job_id)
        if event.type is EventType.EPOCH
    ]


def progress(jobs: JobStore, job_id: str) -> int:
    record = jobs.get(job_id)
    assert record is not None
    return record.progress_epoch


def test_rows_up_to_the_checkpoint_stay_without_a_second_event(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    claim = again(4)
    assert leases.resume(claim, [row(1), row(2)], until=2) is not None
    assert stored_epochs(jobs, claim.job_id) == [row(1), row(2)]
    assert progress(jobs, claim.job_id) == 2
    leases.record_epochs(claim, [row(3, loss=0.25)], eta_s=1.0)
    assert stored_epochs(jobs, claim.job_id) == [row(1), row(2), row(3, loss=0.25)]
    assert progress(jobs, claim.job_id) == 3
    assert told(jobs, claim.job_id) == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 3)]


def test_rows_missing_in_the_database_are_added(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    """The worker died between the checkpoint and its next write."""
    claim = again(2)
    leases.resume(claim, [row(number) for number in range(1, 5)], until=4)
    assert stored_epochs(jobs, claim.job_id) == [row(number) for number in range(1, 5)]
    assert progress(jobs, claim.job_id) == 4
    assert told(jobs, claim.job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_different_row_is_replaced_with_an_event(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    claim = again(3)
    leases.resume(claim, [row(1), row(2, loss=None), row(3)], until=3)
    assert stored_epochs(jobs, claim.job_id) == [row(1), row(2, loss=None), row(3)]
    assert told(jobs, claim.job_id)[3:] == [(2, 2)]


def test_several_calls_can_be_repeated(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    claim = again(6)
    for part in ([row(1), row(2)], [row(3), row(4)], [row(5)]):
        for _ in range(2):
            leases.resume(claim, part, until=5)
            assert progress(jobs, claim.job_id) == 5
            assert stored_epochs(jobs, claim.job_id) == [row(number) for number in range(1, 6)]
    assert told(jobs, claim.job_id) == [(1, number) for number in range(1, 7)]


def test_recording_can_be_repeated_after_a_resume(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    claim = again(3)
    leases.resume(claim, [row(1), row(2)], until=2)
    for _ in range(2):
        leases.record_epochs(claim, [row(3, loss=0.3), row(4)], eta_s=None)
    assert stored_epochs(jobs, claim.job_id) == [row(1), row(2), row(3, loss=0.3), row(4)]
    assert told(jobs, claim.job_id)[3:] == [(2, 3), (2, 4)]


def test_several_attempts_resume_in_turn(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    """Each loses its last epoch; the curve has the newest measurement of each epoch."""
    claim = again(3)
    for attempt in (2, 3, 4):
        stored = stored_epochs(jobs, claim.job_id)[:-1]
        leases.resume(claim, stored, until=len(stored))
        new = [row(len(stored) + number, loss=float(attempt)) for number in (1, 2)]
        leases.record_epochs(claim, new, eta_s=None)
        leases.release(claim, penalized=False)
        taken = leases.claim(claim.job_id, "w")
        assert taken is not None
        claim = taken
    losses = [each.values["loss"] for each in stored_epochs(jobs, claim.job_id)]
    assert losses == [0.5, 0.5, 2.0, 3.0, 4.0, 4.0]
    assert [each.epoch for each in stored_epochs(jobs, claim.job_id)] == [1, 2, 3, 4, 5, 6]


def test_event_ids_only_grow(jobs: JobStore, leases: LeaseStore, again: Any, row: Any) -> None:
    claim = again(2)
    before = jobs.events(claim.job_id)
    leases.resume(claim, [row(1)], until=1)
    leases.record_epochs(claim, [row(2, loss=0.1)], eta_s=None)
    after = jobs.events(claim.job_id)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    assert after[-1].id > before[-1].id


def test_other_jobs_keep_their_epochs(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    other, claim = again(3), again(3)
    leases.resume(claim, [row(1)], until=1)
    leases.record_epochs(claim, [row(2)], eta_s=None)
    assert len(stored_epochs(jobs, other.job_id)) == 3


def test_resume_increases_the_version(
    jobs: JobStore, leases: LeaseStore, again: Any, row: Any
) -> None:
    claim = again(1)
    before = jobs.versions([claim.job_id])[claim.job_id]
    leases.resume(claim, [row(1)], until=1)
    after = jobs.versions([claim.job_id])[claim.job_id]
    assert after > before
