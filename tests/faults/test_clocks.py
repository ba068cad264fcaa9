"""Machines whose clocks are an hour apart: leases live by the database's.

On SQLite the clock is the process's own, but all processes are on one machine and share it.
"""

from datetime import timedelta

import pytest

from tests.faults.conftest import LEASE_S, House, clock
from tests.rig.work import Work

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not clock("+1h"), reason="libfaketime has no wheel for this machine"),
]


def test_no_lease_is_longer_or_shorter_on_another_clock(house: House) -> None:
    """Of two workers and two reapers one each is an hour off; all hold and watch leases."""
    work, epochs = Work("apart", epoch_s=0.1), 30
    job_ids = [house.post(work, epochs) for _ in range(4)]
    records = [house.at_epoch(job_id, 3) for job_id in job_ids]
    assert {house.holder(job_id).name for job_id in job_ids} == {"worker-0", "worker-1"}
    for record in records:
        assert record.lease_expires_at is not None
        assert record.started_at is not None
        assert record.progress_at is not None
        assert timedelta() < record.progress_at - record.started_at < timedelta(minutes=1)
        left = record.lease_expires_at - record.progress_at
        assert timedelta() < left < timedelta(seconds=2 * LEASE_S)
    for record in house.all_ended(job_ids):
        house.is_whole(record, work, epochs)
        assert record.attempt == 1, house.jobs.attempts(record.id)
