"""A job that is paused while it trains, and then resumed."""

import os
import signal

import pytest
from structlog.testing import capture_logs

from ridgeline.api.job import JobStatus
from tests.integration.worker.conftest import CPU, House, eventually
from tests.integration.worker.test_resume import checkpoints, epoch_events, trained


def test_paused_job_resumes_from_its_checkpoint(house: House) -> None:
    """The slot is free meanwhile, and the result equals that of an uninterrupted job."""
    with house.running("stop_at_two", epochs=4) as job_id:
        assert house.jobs.request_pause(job_id).status is JobStatus.PAUSING
    paused = house.record(job_id)
    assert (paused.status, paused.crash_count, paused.progress_epoch) == (JobStatus.PAUSED, 0, 2)
    assert len(checkpoints(house)) == 2
    assert not house.supervisor.supervise_next(CPU)
    house.jobs.request_resume(job_id)
    assert house.supervisor.supervise_next(CPU)
    job = house.record(job_id)
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 2)
    assert epoch_events(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]
    (file,) = job.artifacts
    assert (house.folder / file.key).read_bytes() == trained(4)
    assert house.statuses(job_id) == [
        JobStatus.QUEUED,
        JobStatus.RUNNING,
        JobStatus.PAUSING,
        JobStatus.PAUSED,
        JobStatus.QUEUED,
        JobStatus.RUNNING,
        JobStatus.SUCCEEDED,
    ]
    assert checkpoints(house) == []


def test_pause_waits_for_the_epoch_beyond_the_grace_period(house: House) -> None:
    house.with_settings(cancel_grace_s=0.1)
    with house.running("stop_slowly", epochs=3) as job_id:
        house.jobs.request_pause(job_id)
    assert house.record(job_id).status is JobStatus.PAUSED
    assert len(checkpoints(house)) == 1


def test_job_resumed_before_its_worker_has_released_it_is_queued(house: House) -> None:
    """By then the trainer has been asked to stop, and takes 2 s to end its epoch."""
    with house.running("stop_slowly", epochs=3) as job_id, capture_logs() as lines:
        house.jobs.request_pause(job_id)
        eventually(
            lambda: any(line.get("because") == "paused" for line in lines), "the request to stop"
        )
        assert house.jobs.request_resume(job_id).status is JobStatus.RUNNING
    queued = house.record(job_id)
    assert (queued.status, queued.crash_count) == (JobStatus.QUEUED, 0)
    assert house.jobs.attempts(job_id)[0].outcome == "drained"


@pytest.mark.parametrize("then", ["cancel", "drain"])
def test_cancel_or_drain_during_a_pause(house: House, then: str) -> None:
    """The trainer never ends its epoch."""
    house.with_settings(cancel_grace_s=0.2)
    with house.running("deaf") as job_id:
        house.jobs.request_pause(job_id)
        if then == "cancel":
            house.jobs.request_cancel(job_id)
        else:
            house.supervisor.drain.start()
    expected = JobStatus.CANCELLED if then == "cancel" else JobStatus.PAUSED
    assert house.record(job_id).status is expected


def test_trainer_that_dies_while_pausing_counts_as_a_crash(house: House) -> None:
    with house.running("deaf") as job_id:
        house.jobs.request_pause(job_id)
        for pid in house.pids:
            os.kill(pid, signal.SIGKILL)
    job = house.record(job_id)
    assert (job.status, job.crash_count) == (JobStatus.PAUSED, 1)
