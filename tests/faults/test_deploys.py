"""Workers that are told to end: within 30 s, with a checkpoint, and at no cost to their jobs."""

import time

import pytest

from tests.faults.conftest import House
from tests.rig.work import Fault, Work
from worker.settings import WorkerSettings
from worker.supervision import patience
from worker.trainer import process

pytestmark = pytest.mark.servers

SIGTERM_S = 30.0


def test_by_default_a_worker_ends_within_30_s() -> None:
    """The trainer's grace, its end after SIGKILL, and the database's last chance."""
    assert WorkerSettings().cancel_grace_s + process.KILL_S + patience.IN_DRAIN_S < SIGTERM_S


def test_a_rolling_restart_costs_no_job_anything(house: House) -> None:
    """Four times a worker ends and another starts, with jobs running all the while.

    The first is in an epoch that never ends: that one is given up, back to the checkpoint.
    """
    work, epochs = Work("rolled", epoch_s=0.1), 60
    endless = Work("endless", fault=Fault.HANG, at=4)
    jobs = {house.post(work, epochs): (work, epochs) for _ in range(3)}
    for job_id in jobs:
        house.at_epoch(job_id, 2)
    last = house.post(endless, 6)
    jobs[last] = (endless, 6)
    house.at_epoch(last, 3)
    worker = house.holder(last)
    for _ in range(4):
        began = time.monotonic()
        assert worker.stop(SIGTERM_S) == 0
        assert time.monotonic() - began < SIGTERM_S
        worker.start()
        worker = next(other for other in house.cluster.workers if other is not worker)
    for record in house.all_ended(list(jobs)):
        work, epochs = jobs[record.id]
        house.is_whole(record, work, epochs)
        assert record.crash_count == 0, house.jobs.attempts(record.id)
        assert record.attempt == record.drain_count + 1
        # Each attempt went on behind the last epoch of the one before: its checkpoint was written.
        attempts = range(1, record.attempt + 1)
        trained = [epoch for attempt in attempts for epoch in house.told(record.id, attempt)]
        assert trained == list(range(1, epochs + 1))
    assert sum(house.record(job_id).drain_count for job_id in jobs) >= 2
