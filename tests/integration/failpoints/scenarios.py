"""For every failpoint, how a process reaches it and the state expected after its death."""

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
from tests.rig.stored import stored_epochs
from worker.engine.checkpoint import CheckpointStore, fingerprint

DIES_IN_EPOCH = 3
#: How often the failpoint is passed up to that epoch's checkpoint, which has two arrays.
_HITS = {"checkpoint.taken_over": 1, "checkpoint.half_written": 2 * DIES_IN_EPOCH}
_HITS["checkpoint.before_removal"] = 1  # the third checkpoint is the first to replace one

Scenario = Callable[[Rig, str], None]


def expected_weights(epochs: int = EPOCHS) -> bytes:
    """The weights after `epochs` uninterrupted epochs."""
    weights = np.ones(LARGE)
    for epoch in range(1, epochs + 1):
        weights = weights * 1.1 + epoch
    return weights.tobytes()


def posted(rig: Rig, name: str) -> None:
    """POST: a job is stored whole or not at all; a retry with the key returns or creates it."""
    rig.killed_at(name, processes.request, rig.home, "POST", "/jobs", "key")
    stored = name != "submit.before_commit"
    whole = {"jobs": 1, "events": 1, "outbox": 1, "idempotency_keys": 1}
    rows = rig.rows()
    assert {table: rows.get(table, 0) for table in whole} == {t: int(stored) for t in whole}
    rig.run(processes.request, rig.home, "POST", "/jobs", "key")
    (job,) = rig.jobs.list().records
    assert_succeeded(rig, rig.end(job.id))


def swept(rig: Rig, name: str) -> None:
    """Sweep: a hint is sent at least once, and two hints lead to one attempt."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.sweep, rig.home)
    rig.sql("UPDATE outbox SET held_until = 0")
    rig.run(processes.sweep, rig.home)
    assert "outbox" not in rig.rows()
    hints = drain_hints(rig)
    assert hints == (2 if name == "sweep.sent" else 1)
    for _ in range(hints):
        rig.run(processes.attempt, rig.home, job_id)
    assert rig.record(job_id).attempt == 1
    assert_succeeded(rig, rig.end(job_id))


def redispatched(rig: Rig, name: str) -> None:
    """Redispatch: a lost hint is replaced exactly once."""
    job_id = rig.add(epochs=EPOCHS)
    rig.run(processes.sweep, rig.home)
    assert drain_hints(rig) == 1
    rig.sql("UPDATE jobs SET last_dispatched_at = 0")
    rig.killed_at(name, processes.redispatch, rig.home)
    rig.run(processes.redispatch, rig.home)
    rig.run(processes.sweep, rig.home)
    assert drain_hints(rig) == 1
    assert_succeeded(rig, rig.end(job_id))


def attempted(rig: Rig, name: str) -> None:
    """Attempt: no file is published twice, torn or left over; the next attempt gives the same."""
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
    """The second attempt dies while it restores earlier epochs; the third succeeds."""
    job_id = rig.add(epochs=EPOCHS)
    crash_in_trainer(rig, job_id, "checkpoint.before_removal")
    rig.killed_at(name, processes.attempt, rig.home, job_id)
    assert_succeeded(rig, rig.end(job_id))


def crashed(rig: Rig, name: str) -> None:
    """The worker dies while it releases a job whose trainer has died."""
    job_id = rig.add("be_killed", epochs=EPOCHS)
    rig.killed_at(name, processes.attempt, rig.home, job_id)
    released = name == "release.committed"
    assert rig.record(job_id).status is (JobStatus.QUEUED if released else JobStatus.RUNNING)
    record = rig.end(job_id)
    assert (record.status, record.attempt) == (JobStatus.FAILED, 3)
    rig.assert_consistent(job_id)


def drained(rig: Rig, name: str) -> None:
    """The worker is stopped and dies while it releases the job."""
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
    rig.expire_leases()
    rig.killed_at(name, processes.reap, rig.home)
    record = rig.end(job_id)
    assert record.crash_count == 1
    assert_succeeded(rig, record)


def cancelled(rig: Rig, name: str) -> None:
    """A cancel without a response has no effect; a retry cancels the job."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.request_change, rig.home, job_id, "cancel")
    assert rig.record(job_id).status is JobStatus.QUEUED
    rig.run(processes.request_change, rig.home, job_id, "cancel")
    assert rig.end(job_id).status is JobStatus.CANCELLED
    rig.assert_consistent(job_id)


def paused(rig: Rig, name: str) -> None:
    """The worker dies while it releases a pausing job; the job is still paused."""
    job_id = rig.add("obedient", epochs=EPOCHS)
    # The first move in that process is to `pausing`.
    failpoint = f"{name}:2" if name == "move.before_commit" else name
    rig.killed_at(failpoint, processes.attempt, rig.home, job_id, None, "pause")
    released = name == "release.committed"
    assert rig.record(job_id).status is (JobStatus.PAUSED if released else JobStatus.PAUSING)
    rig.expire_leases()
    rig.run(processes.reap, rig.home)
    assert rig.record(job_id).status is JobStatus.PAUSED
    rig.run(processes.request_change, rig.home, job_id, "resume")
    rename(rig, "obedient", "keep_all")
    record = rig.end(job_id)
    assert record.crash_count == int(not released)
    assert_succeeded(rig, record)


def paused_and_resumed(rig: Rig, name: str) -> None:
    """A pause or resume without a response has no effect; a retry has."""
    job_id = rig.add(epochs=EPOCHS)
    rig.killed_at(name, processes.request_change, rig.home, job_id, "pause")
    assert rig.record(job_id).status is JobStatus.QUEUED
    rig.run(processes.request_change, rig.home, job_id, "pause")
    rig.killed_at(name, processes.request_change, rig.home, job_id, "resume")
    assert rig.record(job_id).status is JobStatus.PAUSED
    hints = rig.rows()["outbox"]
    rig.run(processes.request_change, rig.home, job_id, "resume")
    assert rig.rows()["outbox"] == hints + 1
    assert_succeeded(rig, rig.end(job_id))


def cleaned_up(rig: Rig, name: str) -> None:
    """A job is cancelled between two attempts; the janitor dies while deleting its checkpoints."""
    job_id = rig.add(epochs=EPOCHS)
    crash_in_trainer(rig, job_id, "checkpoint.before_removal")
    rig.run(processes.request_change, rig.home, job_id, "cancel")
    rig.killed_at(name, processes.leftovers, rig.home)
    assert rig.end(job_id).status is JobStatus.CANCELLED
    rig.assert_consistent(job_id)


def deleted(rig: Rig, name: str) -> None:
    """DELETE: the job exists with all its files, or not at all."""
    job_id = rig.add(epochs=EPOCHS)
    rig.run(processes.attempt, rig.home, job_id)
    rig.killed_at(name, processes.request, rig.home, "DELETE", f"/jobs/{job_id}")
    if name == "delete.before_commit":
        assert_succeeded(rig, rig.record(job_id))
        rig.run(processes.request, rig.home, "DELETE", f"/jobs/{job_id}")
    assert set(rig.rows()) <= {"identity", "tallies"}  # counters keep deleted jobs
    rig.run(processes.tidy, rig.home)
    assert rig.files() == []


def checkpointed(rig: Rig, name: str) -> None:
    """The trainer dies while it saves epoch 3; the newest checkpoint is of epoch 3 or 2."""
    job_id = rig.add(epochs=EPOCHS)
    crash_in_trainer(rig, job_id, name)
    epoch = newest(rig, job_id)
    assert epoch == (0 if name == "checkpoint.taken_over" else expected_epoch(name))
    assert_succeeded(rig, rig.end(job_id))
    assert [row.epoch for row in stored_epochs(rig.jobs, job_id)] == list(range(1, EPOCHS + 1))


def marked(rig: Rig, name: str) -> None:
    """The API dies while it marks its store; the next one sets the marker or reads it whole."""
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
    """A checkpoint exists from its rename on."""
    kept = ("checkpoint.renamed", "checkpoint.folder_synced", "checkpoint.before_removal")
    return DIES_IN_EPOCH if name in kept else DIES_IN_EPOCH - 1


def newest(rig: Rig, job_id: str) -> int:
    """The epoch from which the next attempt would resume; asserts that its arrays are correct."""
    spec = JobSpec.model_validate_json(rig.record(job_id).resolved)
    key = fingerprint(spec.model_dump_json())
    checkpoint = CheckpointStore(rig.checkpoints(job_id), key).newest()
    if checkpoint is None:
        return 0
    assert checkpoint.arrays["weights"].tobytes() == expected_weights(checkpoint.epoch)
    assert [row.epoch for row in checkpoint.rows] == list(range(1, checkpoint.epoch + 1))
    return checkpoint.epoch


def assert_succeeded(rig: Rig, record: JobRecord) -> None:
    assert record.status is JobStatus.SUCCEEDED, record.reason_detail
    rig.assert_consistent(record.id)
    contents = [(rig.folder / file.key).read_bytes() for file in record.artifacts]
    assert contents == [expected_weights()] * 2


def drain_hints(rig: Rig) -> int:
    """Remove all hints from the broker and return their number."""
    client = redis.Redis(unix_socket_path=rig.home.broker.removeprefix("redis+socket://"))
    with client:
        hints = client.llen(TRAIN_QUEUE)
        client.flushall()
    return int(hints)


def rename(rig: Rig, before: str, after: str) -> None:
    """Change the behavior of the stub engine for all jobs."""
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
    "move.before_commit": (crashed, drained, paused, reaped, cancelled, paused_and_resumed),
    "release.committed": (crashed, drained, paused),
    "reap.committed": (reaped,),
    "leftovers.found": (cleaned_up,),
    **{name: (marked,) for name in FAILPOINTS if name.startswith("marker.")},
}
"""The suite runs all of them."""
WITH_BROKER = (swept, redispatched)
