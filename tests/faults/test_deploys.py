"""Workers that are told to end: within 30 s, with a checkpoint, and at no cost to their jobs."""

import time

import pytest

from tests.faults.conftest import House
from tests.rig.work import Fault, Work
from worker.attempt import patience
from worker.settings import WorkerSettings
from worker.trainer import process

pytestmark = pytest.mark.servers

SIGTERM_S = 30.0


def test_by_default_a_worker_ends_within_30_s() -> None:
    """The trainer's grace, its end after SIGKILL, and the database's last chance."""
    assert WorkerSettings().cancel_grace_s + process.KILL_S + patience.IN_DRAIN_S < SIGTERM_S


def test_a_rolling_restart_costs_no_job_anything(house: House) -> None:
    """Four times a worker ends and another starts, with jobs running all the while."""
    work, epochs = Work("rolled", epoch_s=0.1), 60
    job_ids = [house.post(work, epochs) for _ in range(4)]
    for job_id in job_ids:
        house.at_epoch(job_id, 2)
    for turn in range(4):
        worker = house.cluster.workers[turn % 2]
        began = time.monotonic()
        assert worker.stop(SIGTERM_S) == 0
        assert time.monotonic() - began < SIGTERM_S
        worker.start()
    drains = 0
    for record in house.all_ended(job_ids):
        house.is_whole(record, work, epochs)
        assert record.crash_count == 0
        assert record.attempt == record.drain_count + 1
        drains += record.drain_count
        # Each attempt went on behind the last epoch of the one before: its checkpoint was written.
        trained = [
            epoch
            for attempt in range(1, record.attempt + 1)
            for epoch in house.told(record.id, attempt)
        ]
        assert trained == list(range(1, epochs + 1))
    assert drains >= 4


def test_an_epoch_that_never_ends_is_given_up(house: House) -> None:
    """The job goes back to its last checkpoint, and is not blamed for it."""
    work, epochs = Work("endless", fault=Fault.HANG, at=4), 6
    job_id = house.post(work, epochs)
    house.at_epoch(job_id, 3)
    assert house.holder(job_id).stop(SIGTERM_S) == 0
    record = house.ended(job_id)
    house.is_whole(record, work, epochs)
    assert (record.attempt, record.crash_count, record.drain_count) == (2, 0, 1)
    assert house.told(job_id, 2) == [4, 5, 6]
