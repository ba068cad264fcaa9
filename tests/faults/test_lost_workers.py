"""Workers that are killed or stand still: noticed in time, replaced, and without effect then."""

import random
import time

import psutil
import pytest

from service.settings import Settings
from tests.faults.conftest import END_S, LEASE_S, REAP_S, House, frozen, no_backoff
from tests.rig.process import alive, poll
from tests.rig.work import Work
from tests.rig.workers import Worker
from worker.settings import WorkerSettings

pytestmark = pytest.mark.servers

#: A turn of the reaper, and a machine that is busy.
LATE_S = 1.5
NOTICED_S = 45.0
ORPHANS_S = 2.0


def test_by_default_a_dead_worker_is_noticed_within_45_s() -> None:
    """The lease was renewed at most a heartbeat ago, and the reaper looks once an interval."""
    worker, api = WorkerSettings(), Settings()
    assert worker.lease_s == api.lease_s
    assert api.lease_s + api.reap_interval_s < NOTICED_S


def test_killed_at_random_epochs_jobs_go_on_elsewhere(house: House) -> None:
    """Each from its checkpoint; noticed as soon as lease and reaper allow.

    No trainer outlives its worker, not even one that stands still and cannot read that the pipe
    has ended.
    """
    generator = random.Random(20)  # noqa: S311 - the same kills in every run
    works = [Work(f"killed-{number}", epoch_s=0.15 + 0.02 * number) for number in range(4)]
    epochs = {house.post(work, 25): generator.randint(3, 12) for work in works}
    killed: dict[str, tuple[int, float]] = {}
    orphans: list[psutil.Process] = []
    for job_id in sorted(epochs, key=lambda job_id: epochs[job_id]):
        if job_id in killed:
            continue
        house.at_epoch(job_id, epochs[job_id])
        worker = house.holder(job_id)
        trainers = worker.trainers()
        trainers[0].suspend()
        orphans += trainers
        owner = house.record(job_id).lease_owner
        held = [each for each in epochs if house.record(each).lease_owner == owner]
        worker.kill()
        killed |= {each: (house.record(each).progress_epoch, time.monotonic()) for each in held}
        poll("no orphan", lambda: not any(map(alive, orphans)), ORPHANS_S)  # noqa: B023
    assert len(killed) == 4
    for job_id, (_, at) in killed.items():
        poll("the reaper", lambda: house.record(job_id).crash_count, END_S)  # noqa: B023
        assert time.monotonic() - at < LEASE_S + REAP_S + LATE_S
    house.cluster.heal()
    with no_backoff(house):
        records = house.all_ended(list(epochs))
    for work, record in zip(works, records, strict=True):
        house.is_whole(record, work, 25)
        assert (record.attempt, record.crash_count) == (2, 1)
        epoch, _ = killed[record.id]
        # It was told until `epoch` at least, and the checkpoint of each epoch was kept.
        assert house.told(record.id, attempt=2)[0] >= epoch


def test_a_worker_that_wakes_up_changes_nothing(house: House) -> None:
    """It stands still with its trainer past the lease; another has finished the job by then."""
    work, epochs = Work("zombie", epoch_s=0.1), 20
    job_id = house.post(work, epochs)
    house.at_epoch(job_id, 3)
    worker = house.holder(job_id)
    trainers = worker.trainers()
    with frozen([psutil.Process(worker.pid), *trainers]), no_backoff(house):
        record = house.ended(job_id)
        house.is_whole(record, work, epochs)
        assert all(map(alive, trainers))
    poll("the end of its trainer", lambda: not any(map(alive, trainers)), END_S)
    poll("its word", lambda: lost(worker, job_id), END_S)
    assert house.record(job_id) == record
    house.is_whole(record, work, epochs)


def lost(worker: Worker, job_id: str) -> bool:
    """Whether the worker has said that it lost the job."""
    lines = [line for line in worker.log_text().splitlines() if job_id in line]
    return any("job_lost" in line for line in lines)
