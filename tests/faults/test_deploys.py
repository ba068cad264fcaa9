"""Workers that receive SIGTERM stop within 30 s, after a checkpoint, at no cost to their jobs."""

import time

import pytest

from tests.faults.conftest import Deployment
from tests.rig.work import Fault, Work
from worker.settings import WorkerSettings
from worker.supervision import outages
from worker.trainer import process

pytestmark = pytest.mark.servers

SIGTERM_S = 30.0


def test_worker_stops_within_30_s_by_default() -> None:
    """The grace period, the wait after SIGKILL and the last database retries, summed."""
    assert WorkerSettings().cancel_grace_s + process.KILL_S + outages.IN_DRAIN_S < SIGTERM_S


def test_rolling_restart_costs_no_job_an_epoch(deployment: Deployment) -> None:
    """A worker is stopped and restarted four times while jobs run.

    The first worker runs an epoch that never ends; its job falls back to the last checkpoint.
    """
    work, epochs = Work("rolled", epoch_s=0.1), 60
    endless = Work("endless", fault=Fault.HANG, at=4)
    jobs = {deployment.post(work, epochs): (work, epochs) for _ in range(3)}
    for job_id in jobs:
        deployment.at_epoch(job_id, 2)
    last = deployment.post(endless, 6)
    jobs[last] = (endless, 6)
    deployment.at_epoch(last, 3)
    worker = deployment.holder(last)
    for _ in range(4):
        began = time.monotonic()
        assert worker.stop(SIGTERM_S) == 0
        assert time.monotonic() - began < SIGTERM_S
        worker.start()
        worker = next(other for other in deployment.cluster.workers if other is not worker)
    for record in deployment.all_ended(list(jobs)):
        work, epochs = jobs[record.id]
        deployment.is_whole(record, work, epochs)
        assert record.crash_count == 0, deployment.jobs.attempts(record.id)
        assert record.attempt == record.drain_count + 1
        # Each attempt resumed after the last epoch of the previous one: its checkpoint was kept.
        attempts = range(1, record.attempt + 1)
        trained = [
            epoch for attempt in attempts for epoch in deployment.trained_epochs(record.id, attempt)
        ]
        assert trained == list(range(1, epochs + 1))
    assert sum(deployment.record(job_id).drain_count for job_id in jobs) >= 2
