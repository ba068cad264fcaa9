"""An attempt that is broken off, and the next, which goes on from its checkpoint."""

import signal
from pathlib import Path

import numpy as np
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, JobStatus
from ridgeline.storage import LeaseStore
from tests.integration.worker.conftest import CPU, House, eventually
from tests.integration.worker.test_supervisor import FlakyLeases
from worker.drain import Drain


def again(house: House, job_id: str) -> None:
    """The next attempt, as if the backoff were over."""
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET available_at = 0")
    house.supervisor.supervise(job_id, CPU)


def checkpoints(house: House) -> list[Path]:
    return sorted(house.folder.glob(".checkpoints/*/*.checkpoint"))


def told(house: House, job_id: str) -> list[tuple[int, int]]:
    """Attempt and epoch of the events that tell of epochs."""
    return [
        (event.attempt, EpochRow.model_validate_json(event.payload).epoch)
        for event in house.jobs.events(job_id)
        if event.type == "epoch"
    ]


def trained(epochs: int) -> bytes:
    """The weights after so many epochs without a break."""
    weights = np.ones(3)
    for epoch in range(1, epochs + 1):
        weights = weights * 1.1 + epoch
    return weights.tobytes()


def test_killed_and_resumed(house: House) -> None:
    job = house.run("die_at_four", epochs=6)
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)
    assert house.jobs.attempts(job.id)[0].exit_signal == signal.SIGKILL
    before = house.jobs.epochs(job.id)
    assert [row.epoch for row in before] == [1, 2, 3]
    assert len(checkpoints(house)) == 1
    again(house, job.id)
    job = house.record(job.id)
    assert (job.status, job.attempt, job.progress_epoch) == (JobStatus.SUCCEEDED, 2, 6)
    after = house.jobs.epochs(job.id)
    assert [row.epoch for row in after] == [1, 2, 3, 4, 5, 6]
    assert after[:2] == before[:2]
    assert {row.values["pid"] for row in after[2:]}.isdisjoint({before[0].values["pid"]})
    assert told(house, job.id) == [(1, 1), (1, 2), (1, 3), (2, 3), (2, 4), (2, 5), (2, 6)]
    (file,) = job.artifacts
    assert (house.folder / file.key).read_bytes() == trained(6)
    assert house.files() == ["model.keras"]
    assert house.supervisor.artifacts.checkpointed() == []


def test_a_torn_checkpoint_is_no_obstacle(house: House) -> None:
    job = house.run("die_at_four", epochs=6)
    (path,) = checkpoints(house)
    path.write_bytes(path.read_bytes()[:-1])
    again(house, job.id)
    # From scratch; the stub is killed at the same place, and its checkpoint is whole this time.
    assert house.record(job.id).status is JobStatus.QUEUED
    assert [row.epoch for row in house.jobs.epochs(job.id)] == [1, 2, 3]
    again(house, job.id)
    job = house.record(job.id)
    assert job.status is JobStatus.SUCCEEDED
    assert (house.folder / job.artifacts[0].key).read_bytes() == trained(6)


def test_drained_and_resumed_elsewhere(house: House) -> None:
    with house.running("give_back_at_two", epochs=4) as job_id:
        eventually(lambda: len(house.jobs.epochs(job_id)) == 2, "the second epoch")
        house.supervisor.drain.start()
    job = house.record(job_id)
    assert (job.status, job.drain_count, job.progress_epoch) == (JobStatus.QUEUED, 1, 2)
    house.change(drain=Drain())
    again(house, job_id)
    job = house.record(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert told(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert (house.folder / job.artifacts[0].key).read_bytes() == trained(4)


def test_a_drain_leaves_the_whole_grace_to_the_epoch(house: House) -> None:
    """SIGTERM in the middle of it would cut its checkpoint off."""
    house.with_settings(cancel_grace_s=3.0)
    with house.running("stop_slowly") as job_id:
        house.supervisor.drain.start()
    (path,) = checkpoints(house)
    assert path.name.startswith("000001-000000001")
    assert house.record(job_id).drain_count == 1


def test_a_failure_leaves_none(house: House) -> None:
    job = house.run("fail_after_two")
    assert job.reason_code == EndCode.DIVERGED
    assert house.supervisor.artifacts.checkpointed() == []


@pytest.mark.parametrize("behaviour", ["die_at_four", "segfault"])
def test_the_last_crash_leaves_none(house: House, behaviour: str) -> None:
    house.with_settings(crash_cap=1)
    house.change(leases=LeaseStore(house.database, crash_cap=1))
    job = house.run(behaviour, epochs=6)
    assert job.status is JobStatus.FAILED
    assert house.supervisor.artifacts.checkpointed() == []


def test_a_cancel_leaves_none(house: House) -> None:
    with house.running("give_back_at_two", epochs=4) as job_id:
        house.jobs.request_cancel(job_id)
    assert house.record(job_id).status is JobStatus.CANCELLED
    assert house.supervisor.artifacts.checkpointed() == []


def test_a_lost_job_leaves_them_to_the_next(house: House) -> None:
    with house.running("give_back_at_two", epochs=4) as job_id:
        eventually(lambda: len(checkpoints(house)) == 2, "two checkpoints")
        eventually(lambda: len(house.jobs.epochs(job_id)) == 2, "two epochs")
        with house.database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET lease_expires_at = 1")
        house.leases.reap()
    assert len(checkpoints(house)) == 2
    again(house, job_id)
    assert house.record(job_id).status is JobStatus.SUCCEEDED
    assert told(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_resumed_rows_survive_a_database_that_is_away(house: House) -> None:
    job = house.run("die_at_four", epochs=6)
    leases = FlakyLeases(house.database)
    leases.away = {"resume": 2}
    house.change(leases=leases)
    again(house, job.id)
    assert house.record(job.id).status is JobStatus.SUCCEEDED
    assert leases.away == {"resume": 0}
    assert [row.epoch for row in house.jobs.epochs(job.id)] == [1, 2, 3, 4, 5, 6]
