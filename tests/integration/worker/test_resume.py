"""An interrupted attempt, and the next one, which resumes from its checkpoint."""

import signal
from pathlib import Path

import numpy as np
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, JobStatus
from ridgeline.storage import LeaseStore
from tests.integration.worker.conftest import CPU, House, eventually
from tests.integration.worker.test_supervisor import FlakyLeases
from tests.rig.stored import stored_epochs
from worker.drain import Drain


def next_attempt(house: House, job_id: str) -> None:
    """Run the next attempt without waiting for the backoff."""
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET available_at = 0")
    house.supervisor.supervise(job_id, CPU)


def checkpoints(house: House) -> list[Path]:
    return sorted(house.folder.glob(".checkpoints/*/*.checkpoint"))


def epoch_events(house: House, job_id: str) -> list[tuple[int, int]]:
    """Attempt and epoch of the epoch events."""
    return [
        (event.attempt, EpochRow.model_validate_json(event.payload).epoch)
        for event in house.jobs.events(job_id)
        if event.type == "epoch"
    ]


def trained(epochs: int) -> bytes:
    """The weights after that many uninterrupted epochs."""
    weights = np.ones(3)
    for epoch in range(1, epochs + 1):
        weights = weights * 1.1 + epoch
    return weights.tobytes()


def test_killed_attempt_is_resumed_from_its_checkpoint(house: House) -> None:
    job = house.run("die_at_four", epochs=6)
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)
    assert house.jobs.attempts(job.id)[0].exit_signal == signal.SIGKILL
    before = stored_epochs(house.jobs, job.id)
    assert [row.epoch for row in before] == [1, 2, 3]
    assert len(checkpoints(house)) == 1
    next_attempt(house, job.id)
    job = house.record(job.id)
    assert (job.status, job.attempt, job.progress_epoch) == (JobStatus.SUCCEEDED, 2, 6)
    after = stored_epochs(house.jobs, job.id)
    assert [row.epoch for row in after] == [1, 2, 3, 4, 5, 6]
    assert after[:2] == before[:2]
    assert {row.values["pid"] for row in after[2:]}.isdisjoint({before[0].values["pid"]})
    assert epoch_events(house, job.id) == [(1, 1), (1, 2), (1, 3), (2, 3), (2, 4), (2, 5), (2, 6)]
    (file,) = job.artifacts
    assert (house.folder / file.key).read_bytes() == trained(6)
    assert house.files() == ["model.keras"]
    assert house.supervisor.artifacts.checkpointed() == []


def test_torn_checkpoint_is_ignored(house: House) -> None:
    job = house.run("die_at_four", epochs=6)
    (path,) = checkpoints(house)
    path.write_bytes(path.read_bytes()[:-1])
    next_attempt(house, job.id)
    # From scratch; the stub is killed in the same epoch, and its checkpoint is complete this time.
    assert house.record(job.id).status is JobStatus.QUEUED
    assert [row.epoch for row in stored_epochs(house.jobs, job.id)] == [1, 2, 3]
    next_attempt(house, job.id)
    job = house.record(job.id)
    assert job.status is JobStatus.SUCCEEDED
    assert (house.folder / job.artifacts[0].key).read_bytes() == trained(6)


def test_drained_attempt_is_resumed_by_another_worker(house: House) -> None:
    with house.running("stop_at_two", epochs=4) as job_id:
        eventually(lambda: len(stored_epochs(house.jobs, job_id)) == 2, "the second epoch")
        house.supervisor.drain.start()
    job = house.record(job_id)
    assert (job.status, job.drain_count, job.progress_epoch) == (JobStatus.QUEUED, 1, 2)
    house.change(drain=Drain())
    next_attempt(house, job_id)
    job = house.record(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert epoch_events(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert (house.folder / job.artifacts[0].key).read_bytes() == trained(4)


def test_drain_leaves_the_whole_grace_period_to_the_epoch(house: House) -> None:
    """SIGTERM during the epoch would prevent its checkpoint."""
    house.with_settings(cancel_grace_s=3.0)
    with house.running("stop_slowly") as job_id:
        house.supervisor.drain.start()
    (path,) = checkpoints(house)
    assert path.name.startswith("000001-000000001")
    assert house.record(job_id).drain_count == 1


def test_failure_leaves_no_checkpoints(house: House) -> None:
    job = house.run("fail_after_two")
    assert job.reason_code == EndCode.DIVERGED
    assert house.supervisor.artifacts.checkpointed() == []


@pytest.mark.parametrize("behaviour", ["die_at_four", "segfault"])
def test_last_crash_leaves_no_checkpoints(house: House, behaviour: str) -> None:
    house.with_settings(crash_cap=1)
    house.change(leases=LeaseStore(house.database, crash_cap=1))
    job = house.run(behaviour, epochs=6)
    assert job.status is JobStatus.FAILED
    assert house.supervisor.artifacts.checkpointed() == []


def test_cancel_leaves_no_checkpoints(house: House) -> None:
    with house.running("stop_at_two", epochs=4) as job_id:
        house.jobs.request_cancel(job_id)
    assert house.record(job_id).status is JobStatus.CANCELLED
    assert house.supervisor.artifacts.checkpointed() == []


def test_checkpoints_of_a_lost_job_stay_for_the_next_attempt(house: House) -> None:
    with house.running("stop_at_two", epochs=4) as job_id:
        eventually(lambda: len(checkpoints(house)) == 2, "two checkpoints")
        eventually(lambda: len(stored_epochs(house.jobs, job_id)) == 2, "two epochs")
        with house.database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET lease_expires_at = 1")
        house.leases.reap()
    assert len(checkpoints(house)) == 2
    next_attempt(house, job_id)
    assert house.record(job_id).status is JobStatus.SUCCEEDED
    assert epoch_events(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_resumed_rows_survive_an_outage_of_the_database(house: House) -> None:
    job = house.run("die_at_four", epochs=6)
    leases = FlakyLeases(house.database)
    leases.away = {"resume": 2}
    house.change(leases=leases)
    next_attempt(house, job.id)
    assert house.record(job.id).status is JobStatus.SUCCEEDED
    assert leases.away == {"resume": 0}
    assert [row.epoch for row in stored_epochs(house.jobs, job.id)] == [1, 2, 3, 4, 5, 6]
