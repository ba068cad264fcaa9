"""Workers that are killed or frozen are detected in time, replaced, and have no effect later."""

import random
import time
from functools import partial

import psutil
import pytest

from service.settings import Settings
from tests.faults.conftest import END_S, LEASE_S, REAP_S, Deployment, frozen, no_backoff
from tests.rig.process import alive, poll
from tests.rig.work import Work
from tests.rig.workers import Worker
from worker.settings import WorkerSettings

pytestmark = pytest.mark.servers

#: Slack for a pass of the reaper and a busy machine.
LATE_S = 1.5
DETECTED_S = 45.0
#: Enough that no job ends before the test has found its trainer, on a busy machine too.
EPOCHS = 40
ORPHANS_S = 2.0


def test_dead_worker_is_detected_within_45_s_by_default() -> None:
    """A lease expires after lease_s, and the reaper checks once an interval."""
    worker, api = WorkerSettings(), Settings()
    assert worker.lease_s == api.lease_s
    assert api.lease_s + api.reap_interval_s < DETECTED_S


def test_jobs_of_a_killed_worker_resume_on_another(deployment: Deployment) -> None:
    """They resume from their checkpoint as soon as lease and reaper allow.

    No trainer outlives its worker, not even a suspended one, which cannot read the end of the pipe.
    """
    generator = random.Random(20)  # noqa: S311 - the same kills in every run
    works = [Work(f"killed-{number}", epoch_s=0.15 + 0.02 * number) for number in range(4)]
    epochs = {deployment.post(work, EPOCHS): generator.randint(3, 12) for work in works}
    killed: dict[str, tuple[int, float]] = {}
    orphans: list[psutil.Process] = []
    for job_id in sorted(epochs, key=lambda job_id: epochs[job_id]):
        if job_id in killed:
            continue
        deployment.at_epoch(job_id, epochs[job_id])
        worker = deployment.holder(job_id)
        trainers = worker.trainers()
        trainers[0].suspend()
        orphans += trainers
        owner = deployment.record(job_id).lease_owner
        held = [other for other in epochs if deployment.record(other).lease_owner == owner]
        worker.kill()
        killed |= {
            other: (deployment.record(other).progress_epoch, time.monotonic()) for other in held
        }
        poll("no orphan", lambda: not any(map(alive, orphans)), ORPHANS_S)  # noqa: B023
    assert len(killed) == 4
    for job_id, (_, at) in killed.items():
        poll("the reaper", lambda: deployment.record(job_id).crash_count, END_S)  # noqa: B023
        assert time.monotonic() - at < LEASE_S + REAP_S + LATE_S
    deployment.cluster.heal()
    with no_backoff(deployment):
        records = deployment.all_ended(list(epochs))
    for work, record in zip(works, records, strict=True):
        deployment.is_whole(record, work, EPOCHS)
        assert (record.attempt, record.crash_count) == (2, 1)
        epoch, _ = killed[record.id]
        # At least `epoch` epochs were recorded, with a checkpoint after each.
        assert deployment.trained_epochs(record.id, attempt=2)[0] >= epoch


def test_kills_after_new_checkpoints_are_no_crash_loop(deployment: Deployment) -> None:
    """Three of them, one of the whole worker; three without progress end a job."""
    work, epochs = Work("pushed-back", epoch_s=0.1), 150
    job_id = deployment.post(work, epochs)
    with no_backoff(deployment):
        for number in range(3):
            # Two epochs beyond those that the next attempt may have resumed from.
            reached = deployment.record(job_id).checkpoint_epoch + 3
            deployment.at_checkpoint(job_id, reached)
            worker = deployment.holder(job_id)
            if number == 1:
                worker.kill()
            else:
                worker.trainers()[0].kill()
            poll("the crash", partial(crashed, deployment, job_id, number + 1), END_S)
            deployment.cluster.heal()
        record = deployment.ended(job_id)
    deployment.is_whole(record, work, epochs)
    assert (record.attempt, record.crash_count) == (4, 3)


def crashed(deployment: Deployment, job_id: str, times: int) -> bool:
    return deployment.record(job_id).crash_count >= times


def test_worker_that_wakes_up_after_its_lease_changes_nothing(deployment: Deployment) -> None:
    """It is frozen with its trainer past the lease; another worker has finished the job by then."""
    work, epochs = Work("zombie", epoch_s=0.1), 20
    job_id = deployment.post(work, epochs)
    deployment.at_epoch(job_id, 3)
    worker = deployment.holder(job_id)
    trainers = worker.trainers()
    with frozen([psutil.Process(worker.pid), *trainers]), no_backoff(deployment):
        record = deployment.ended(job_id)
        deployment.is_whole(record, work, epochs)
        assert all(map(alive, trainers))
    poll("the end of its trainer", lambda: not any(map(alive, trainers)), END_S)
    poll("its log message", lambda: lost(worker, job_id), END_S)
    assert deployment.record(job_id) == record
    deployment.is_whole(record, work, epochs)


def lost(worker: Worker, job_id: str) -> bool:
    """Whether the worker has logged that it lost the job."""
    lines = [line for line in worker.log_text().splitlines() if job_id in line]
    return any("job_lost" in line for line in lines)
