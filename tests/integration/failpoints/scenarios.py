"""For every failpoint, how a process comes to pass it, and what must be true after it has died."""

import json
from collections.abc import Callable, Mapping

import numpy as np
import redis

from ridgeline.api.job import JobStatus
from ridgeline.failpoints import FAILPOINTS
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage import JobRecord
from ridgeline.storage.files.marker import MARKER
from ridgeline.storage.ownership import IdentityStore
from ridgeline.storage.records.outbox import TRAIN_QUEUE
from tests.integration.failpoints import dataset_scenarios, processes
from tests.integration.failpoints.conftest import Rig
from tests.integration.failpoints.processes import EPOCHS
from tests.integration.worker.stub_engine import LARGE
from worker.engine.checkpoint import CheckpointStore, fingerprint

DIES_IN_EPOCH = 3
#: Passings until the checkpoint of that epoch; it has two arrays.
_HITS = {"checkpoint.taken_over": 1, "checkpoint.half_written": 2 * DIES_IN_EPOCH}
_HITS["checkpoint.before_removal"] = 1  # the third checkpoint is the first that makes one old

Scenario = Callable[[Rig, str], None]


def trained(epochs: int = EPOCHS) -> bytes:
    """The weights after so many epochs without a break."""
    weights = np.ones(LARGE)
    for epoch in range(1, epochs + 1):
        weights = weights * 1.1 + epoch
    return weights.tobytes()


def posted(rig: Rig, name: str) -> None:
    """POST: all of a job is there or nothing, and the same key finds it or makes it."""
    rig.killed_at(name, processes.request, rig.home, "POST", "/jobs", "key")
    there = name != "submit.before_commit"
    whole = {"jobs": 1, "events": 1, "outbox": 1, "idempotency_keys": 1}
    rows = rig.rows()
    assert {table: rows.get(table, 0) for table in whole} == {t: int(there) for t in whole}
    rig.run(processes.request, rig.home, "POST", "/jobs", "key")
    (job,) = rig.jobs.list().records
    assert_succeeded(rig, rig.end(job.id))


def swept(rig: Rig, name: str) -> None:
    """Sweep: a hint goes out at least once, and two of them make one attempt."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.sweep, rig.home)
    rig.sql("UPDATE outbox SET held_until = 0")
    rig.run(processes.sweep, rig.home)
    assert "outbox" not in rig.rows()
    hints = taken_hints(rig)
    assert hints == (2 if name == "sweep.sent" else 1)
    for _ in range(hints):
        rig.run(processes.attempt, rig.home, job_id)
    assert rig.record(job_id).attempt == 1
    assert_succeeded(rig, rig.end(job_id))


def redispatched(rig: Rig, name: str) -> None:
    """Redispatch: a job whose hint was lost gets one new one."""
    job_id = rig.add(epochs=EPOCHS)
    rig.run(processes.sweep, rig.home)
    assert taken_hints(rig) == 1
    rig.sql("UPDATE jobs SET last_dispatched_at = 0")
    rig.killed_at(name, processes.redispatch, rig.home)
    rig.run(processes.redispatch, rig.home)
    rig.run(processes.sweep, rig.home)
    assert taken_hints(rig) == 1
    assert_succeeded(rig, rig.end(job_id))


def attempted(rig: Rig, name: str) -> None:
    """An attempt: nothing is published twice, or torn, or left; the next trains the same."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.attempt, rig.home, job_id)
    ended = rig.record(job_id).status is JobStatus.SUCCEEDED
    assert ended is (name == "finish.committed" or name.startswith("clean_up."))
    rows = rig.rows()
    assert rows.get("artifacts", 0) == (2 if ended else 0)
    record = rig.end(job_id)
    assert record.attempt == (1 if ended or name == "claim.before_commit" else 2)
    assert_succeeded(rig, record)


def resumed(rig: Rig, name: str) -> None:
    """The next attempt dies while it tells of the epochs before it; the one after that does not."""
    job_id = rig.add(epochs=EPOCHS)
    crash_in_trainer(rig, job_id, "checkpoint.before_removal")
    rig.killed_at(name, processes.attempt, rig.home, job_id)
    assert_succeeded(rig, rig.end(job_id))


def crashed(rig: Rig, name: str) -> None:
    """The worker dies while it gives a job back whose trainer has died."""
    job_id = rig.add("be_killed", epochs=EPOCHS)
    rig.killed_at(name, processes.attempt, rig.home, job_id)
    released = name == "release.committed"
    assert rig.record(job_id).status is (JobStatus.QUEUED if released else JobStatus.RUNNING)
    record = rig.end(job_id)
    assert (record.status, record.attempt) == (JobStatus.FAILED, 3)
    rig.assert_whole(job_id)


def drained(rig: Rig, name: str) -> None:
    """The worker is told to stop, and dies while it gives the job back."""
    job_id = rig.add("obedient", epochs=EPOCHS)
    rig.killed_at(name, processes.attempt, rig.home, job_id, None, "drain")
    released = name == "release.committed"
    record = rig.record(job_id)
    assert record.status is (JobStatus.QUEUED if released else JobStatus.RUNNING)
    assert record.drain_count == int(released)
    rename(rig, "obedient", "keep_all")
    record = rig.end(job_id)
    assert record.crash_count == int(not released)
    assert_succeeded(rig, record)


def reaped(rig: Rig, name: str) -> None:
    """The reaper dies; the next one counts the crash once."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at("epochs.committed", processes.attempt, rig.home, job_id)
    rig.silence()
    rig.killed_at(name, processes.reap, rig.home)
    record = rig.end(job_id)
    assert record.crash_count == 1
    assert_succeeded(rig, record)


def cancelled(rig: Rig, name: str) -> None:
    """A cancellation that was not answered may be none; the next one is."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.ask, rig.home, job_id, "cancel")
    assert rig.record(job_id).status is JobStatus.QUEUED
    rig.run(processes.ask, rig.home, job_id, "cancel")
    assert rig.end(job_id).status is JobStatus.CANCELLED
    rig.assert_whole(job_id)


def paused(rig: Rig, name: str) -> None:
    """The worker dies while it gives back a job that is being paused; it is paused all the same."""
    job_id = rig.add("obedient", epochs=EPOCHS)
    # To become `pausing` is the first move in that process.
    failpoint = f"{name}:2" if name == "move.before_commit" else name
    rig.killed_at(failpoint, processes.attempt, rig.home, job_id, None, "pause")
    released = name == "release.committed"
    assert rig.record(job_id).status is (JobStatus.PAUSED if released else JobStatus.PAUSING)
    rig.silence()
    rig.run(processes.reap, rig.home)
    assert rig.record(job_id).status is JobStatus.PAUSED
    rig.run(processes.ask, rig.home, job_id, "resume")
    rename(rig, "obedient", "keep_all")
    record = rig.end(job_id)
    assert record.crash_count == int(not released)
    assert_succeeded(rig, record)


def asked(rig: Rig, name: str) -> None:
    """A pause or a resume that was not answered may be none; the next one is."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.ask, rig.home, job_id, "pause")
    assert rig.record(job_id).status is JobStatus.QUEUED
    rig.run(processes.ask, rig.home, job_id, "pause")
    rig.killed_at(name, processes.ask, rig.home, job_id, "resume")
    assert rig.record(job_id).status is JobStatus.PAUSED
    hints = rig.rows()["outbox"]
    rig.run(processes.ask, rig.home, job_id, "resume")
    assert rig.rows()["outbox"] == hints + 1
    assert_succeeded(rig, rig.end(job_id))


def left_over(rig: Rig, name: str) -> None:
    """A job is cancelled between two attempts; whoever finds its checkpoints dies."""
    job_id = rig.add(epochs=EPOCHS)
    crash_in_trainer(rig, job_id, "checkpoint.before_removal")
    rig.run(processes.ask, rig.home, job_id, "cancel")
    rig.killed_at(name, processes.leftovers, rig.home)
    assert rig.end(job_id).status is JobStatus.CANCELLED
    rig.assert_whole(job_id)


def deleted(rig: Rig, name: str) -> None:
    """DELETE: the job is there with all its files, or it is not there."""
    job_id = rig.add(epochs=EPOCHS)
    rig.run(processes.attempt, rig.home, job_id)
    rig.killed_at(name, processes.request, rig.home, "DELETE", f"/jobs/{job_id}")
    if name == "delete.before_commit":
        assert_succeeded(rig, rig.record(job_id))
        rig.run(processes.request, rig.home, "DELETE", f"/jobs/{job_id}")
    assert set(rig.rows()) <= {"identity", "tallies"}  # no count falls when a job goes
    rig.run(processes.tidy, rig.home)
    assert rig.files() == []


def checkpointed(rig: Rig, name: str) -> None:
    """The trainer dies while it keeps the third epoch; that or the second is what is found."""
    job_id = rig.add(epochs=EPOCHS)
    crash_in_trainer(rig, job_id, name)
    found = newest(rig, job_id)
    assert found == (0 if name == "checkpoint.taken_over" else expected_epoch(name))
    assert_succeeded(rig, rig.end(job_id))
    assert [row.epoch for row in rig.jobs.epochs(job_id)] == list(range(1, EPOCHS + 1))


def marked(rig: Rig, name: str) -> None:
    """The API dies while it marks its store; the next one sets the mark, or finds it whole."""
    rig.killed_at(name, processes.request, rig.home, "GET", "/healthz")
    identity = IdentityStore(rig.database).get()
    mark = rig.folder / MARKER
    assert mark.exists() is (name == "marker.linked")
    rig.run(processes.request, rig.home, "GET", "/healthz")
    assert json.loads(mark.read_text()) == {"database": identity}
    job_id = rig.add(epochs=EPOCHS)
    rig.run(processes.attempt, rig.home, job_id)
    assert_succeeded(rig, rig.end(job_id))


def crash_in_trainer(rig: Rig, job_id: str, name: str) -> None:
    failpoint = f"{name}:{_HITS.get(name, DIES_IN_EPOCH)}"
    rig.run(processes.attempt, rig.home, job_id, failpoint)
    record = rig.record(job_id)
    assert (record.status, record.crash_count) == (JobStatus.QUEUED, 1)
    (attempt,) = rig.jobs.attempts(job_id)
    assert attempt.exit_signal == 9
    rig.sql("UPDATE jobs SET available_at = 0 WHERE finished_at IS NULL")


def expected_epoch(name: str) -> int:
    """The checkpoint counts from its rename on, and not before."""
    kept = ("checkpoint.renamed", "checkpoint.folder_synced", "checkpoint.before_removal")
    return DIES_IN_EPOCH if name in kept else DIES_IN_EPOCH - 1


def newest(rig: Rig, job_id: str) -> int:
    """The epoch the next attempt would go on from; its arrays are the undisturbed ones."""
    spec = JobSpec.model_validate_json(rig.record(job_id).resolved)
    key = fingerprint(spec.model_dump_json())
    found = CheckpointStore(rig.checkpoints(job_id), key).newest()
    if found is None:
        return 0
    assert found.arrays["weights"].tobytes() == trained(found.epoch)
    assert [row.epoch for row in found.rows] == list(range(1, found.epoch + 1))
    return found.epoch


def assert_succeeded(rig: Rig, record: JobRecord) -> None:
    assert record.status is JobStatus.SUCCEEDED, record.reason_detail
    rig.assert_whole(record.id)
    contents = [(rig.folder / file.key).read_bytes() for file in record.artifacts]
    assert contents == [trained()] * 2


def taken_hints(rig: Rig) -> int:
    """How many hints lie in the broker; they are taken out."""
    client = redis.Redis(unix_socket_path=rig.home.broker.removeprefix("redis+socket://"))
    with client:
        hints = client.llen(TRAIN_QUEUE)
        client.flushall()
    return int(hints)


def rename(rig: Rig, before: str, after: str) -> None:
    """Let another engine train the job from now on."""
    rig.sql(
        "UPDATE jobs SET resolved = replace(resolved, :before, :after)", before=before, after=after
    )


SCENARIOS: Mapping[str, tuple[Scenario, ...]] = {
    **dataset_scenarios.SCENARIOS,
    **{name: (posted,) for name in FAILPOINTS if name.startswith("submit.")},
    **{name: (swept,) for name in FAILPOINTS if name.startswith("sweep.")},
    **{name: (redispatched,) for name in FAILPOINTS if name.startswith("redispatch.")},
    **{
        name: (attempted,)
        for name in FAILPOINTS
        if name.startswith(("claim.", "attempt.", "epochs.", "publish.", "finish.", "clean_up."))
    },
    **{name: (resumed,) for name in FAILPOINTS if name.startswith("resume.")},
    **{name: (deleted,) for name in FAILPOINTS if name.startswith("delete.")},
    **{
        name: (checkpointed,) for name in FAILPOINTS if name.startswith(("checkpoint.", "history."))
    },
    "move.before_commit": (crashed, drained, paused, reaped, cancelled, asked),
    "release.committed": (crashed, drained, paused),
    "reap.committed": (reaped,),
    "leftovers.found": (left_over,),
    **{name: (marked,) for name in FAILPOINTS if name.startswith("marker.")},
}
"""The suite runs all of them."""
WITH_BROKER = (swept, redispatched)
