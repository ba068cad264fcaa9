"""Machines whose clocks are an hour apart: leases follow the database's clock.

With SQLite all processes are on one machine and share its clock.
"""

from datetime import timedelta

import pytest

from tests.faults.conftest import LEASE_S, Deployment, clock
from tests.rig.work import Work

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not clock("+1h"), reason="libfaketime has no wheel for this machine"),
]


def test_lease_lasts_as_long_on_a_machine_whose_clock_is_wrong(deployment: Deployment) -> None:
    """One of the two workers and one of the two reapers are an hour off."""
    work, epochs = Work("apart", epoch_s=0.1), 30
    job_ids = [deployment.post(work, epochs) for _ in range(4)]
    records = [deployment.at_epoch(job_id, 3) for job_id in job_ids]
    assert {deployment.holder(job_id).name for job_id in job_ids} == {"worker-0", "worker-1"}
    for record in records:
        assert record.lease_expires_at is not None
        assert record.started_at is not None
        assert record.progress_at is not None
        assert timedelta() < record.progress_at - record.started_at < timedelta(minutes=1)
        left = record.lease_expires_at - record.progress_at
        assert timedelta() < left < timedelta(seconds=2 * LEASE_S)
    for record in deployment.all_ended(job_ids):
        deployment.is_whole(record, work, epochs)
        assert record.attempt == 1, deployment.jobs.attempts(record.id)
