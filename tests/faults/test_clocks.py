"""Machines whose clocks are an hour apart: leases live by the database's."""

from datetime import timedelta
from pathlib import Path

import libfaketime
import pytest

from tests.faults.conftest import LEASE_S, House, another_worker
from tests.rig.work import Work

pytestmark = pytest.mark.servers

LIBRARY = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"
AN_HOUR_AHEAD = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": "+1h", "DONT_FAKE_MONOTONIC": "1"}
BEHIND = AN_HOUR_AHEAD | {"FAKETIME": "-1h"}


def test_a_worker_an_hour_ahead_and_a_reaper_an_hour_behind(house: House) -> None:
    """And a reaper an hour ahead: no lease expires early, none is given for an hour."""
    for api, clock in zip(house.cluster.apis, (AN_HOUR_AHEAD, BEHIND), strict=True):
        api.kill()
        api.environment |= clock
        api.start()
    for worker in house.cluster.workers:
        worker.terminate()
    try:
        with another_worker(house, "worker-ahead", **AN_HOUR_AHEAD):
            work, epochs = Work("ahead", epoch_s=0.1), 35
            job_id = house.post(work, epochs)
            held = house.at_epoch(job_id, 3)
            assert held.lease_expires_at is not None
            assert held.started_at is not None
            assert held.progress_at is not None
            assert timedelta() < held.progress_at - held.started_at < timedelta(minutes=1)
            left = held.lease_expires_at - held.progress_at
            assert timedelta() < left < timedelta(seconds=2 * LEASE_S)
            record = house.ended(job_id)
            house.is_whole(record, work, epochs)
            assert (record.attempt, record.crash_count) == (1, 0)
    finally:
        for api in house.cluster.apis:
            api.kill()
            for name in AN_HOUR_AHEAD:
                del api.environment[name]
