"""A trainer that gets no further is found by that, however alive it and its supervisor look."""

import time

import pytest

from ridgeline.contract.job import JobStatus
from tests.faults.conftest import House, frozen
from tests.rig.process import alive, poll
from tests.rig.work import Fault, Work

pytestmark = pytest.mark.servers

FOUND_S = 3.0


def test_a_trainer_that_stands_still_is_found_while_its_supervisor_beats(house: House) -> None:
    """Its epochs have taken 0.05 s, so the floor of 1.5 s counts."""
    work, epochs = Work("still", epoch_s=0.05), 40
    job_id = house.post(work, epochs)
    house.at_epoch(job_id, 3)
    (trainer,) = house.holder(job_id).trainers()
    lease = house.record(job_id).lease_expires_at
    assert lease is not None
    began = time.monotonic()
    with frozen([trainer]):
        poll("the end of the trainer", lambda: not alive(trainer), FOUND_S)
        assert time.monotonic() - began > 1.0
    record = house.record(job_id)
    assert record.attempt == 1, "it was taken by the reaper"
    record = house.ended(job_id)
    house.is_whole(record, work, epochs)
    assert (record.attempt, record.crash_count) == (2, 1)
    first, _ = house.jobs.attempts(job_id)
    assert first.reason == "crashed"
    assert "made no progress" in str(first.detail)


@pytest.mark.parametrize("fault", [Fault.CHATTER, Fault.HALF])
def test_words_are_no_progress(house: House, fault: Fault) -> None:
    """One repeats its phase and its last epoch for ever, the other stops amid a message."""
    work, epochs = Work("words", fault=fault, at=3), 5
    record = house.ended(house.post(work, epochs))
    assert record.status is JobStatus.SUCCEEDED
    house.is_whole(record, work, epochs)
    first, _ = house.jobs.attempts(record.id)
    assert "made no progress" in str(first.detail)
