"""An attempt resumes on another machine from a checkpoint in the bucket."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ridgeline.api.job import JobStatus
from ridgeline.storage import AttemptCheckpoints
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from tests.integration.artifacts.link import Link
from tests.integration.artifacts.seaweed import Seaweed
from tests.integration.worker import conftest as worker_fixtures
from tests.integration.worker.conftest import CPU, House, eventually
from tests.integration.worker.stub_engine import row
from tests.integration.worker.test_resume import epoch_events, next_attempt, trained
from tests.rig.stored import stored_epochs
from worker.drain import Drain
from worker.engine.checkpoint import Checkpoint, CheckpointStore
from worker.supervision.publication import CheckpointMirror

context = worker_fixtures.context
settings = worker_fixtures.settings
local_house = worker_fixtures.house

JOB = "job_" + "a" * 32


@pytest.fixture
def house(local_house: House, bucket_store: ObjectArtifacts) -> House:
    """A supervisor whose artifacts are in the bucket."""
    local_house.change(artifacts=bucket_store)
    return local_house


@pytest.fixture
def elsewhere(url: str, tmp_path: Path) -> ObjectArtifacts:
    """The same bucket, from another machine."""
    return ObjectArtifacts(url, tmp_path / "elsewhere")


def write(checkpoints: AttemptCheckpoints, *epochs: int) -> None:
    """Write checkpoints as the engine does, each with its epoch as a weight, and save them."""
    store = CheckpointStore(checkpoints.folder, "key")
    store.newest()
    for epoch in epochs:
        rows = [row(number) for number in range(1, epoch + 1)]
        store.write(Checkpoint(epoch, {"weights": np.full(3, epoch)}, {}, rows))
        checkpoints.save()


def newest(store: ObjectArtifacts, fence: int) -> int | None:
    """The epoch that an attempt with this fence would resume from."""
    checkpoints = store.attempt_checkpoints(JOB, fence)
    checkpoints.fetch()
    found = CheckpointStore(checkpoints.folder, "key").newest()
    if found is not None:
        assert found.arrays["weights"].tolist() == [found.epoch] * 3
        assert [each.epoch for each in found.rows] == list(range(1, found.epoch + 1))
    return None if found is None else found.epoch


def objects(seaweed: Seaweed, url: str, ending: str = "") -> list[str]:
    """The paths in the bucket of this test."""
    prefix = url.partition("artifacts/")[2]
    found = (each["path"] for batch in seaweed.bare().list(prefix) for each in batch)
    return sorted(path for path in found if path.endswith(ending))


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_killed_and_resumed_on_another_machine(
    house: House, elsewhere: ObjectArtifacts, seaweed: Seaweed, url: str, tmp_path: Path
) -> None:
    job = house.run("die_at_four", epochs=6)
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)
    assert len(objects(seaweed, url, "manifest.json")) == 1
    assert files(tmp_path / "scratch") == []
    house.change(artifacts=elsewhere)
    next_attempt(house, job.id)
    job = house.record(job.id)
    assert (job.status, job.attempt, job.progress_epoch) == (JobStatus.SUCCEEDED, 2, 6)
    assert epoch_events(house, job.id) == [(1, 1), (1, 2), (1, 3), (2, 3), (2, 4), (2, 5), (2, 6)]
    (file,) = job.artifacts
    assert b"".join(elsewhere.read(file.key, 0, file.bytes)) == trained(6)
    # Published, and nothing else: neither here nor there.
    assert [path.rpartition("/")[2] for path in objects(seaweed, url)] == ["model.keras"]
    assert files(tmp_path / "elsewhere") == []


def test_last_checkpoint_is_saved_before_the_job_is_released(
    house: House, elsewhere: ObjectArtifacts
) -> None:
    with house.running("stop_at_two", epochs=4) as job_id:
        eventually(lambda: len(stored_epochs(house.jobs, job_id)) == 2, "the second epoch")
        house.supervisor.drain.start()
    job = house.record(job_id)
    assert (job.status, job.drain_count) == (JobStatus.QUEUED, 1)
    house.change(drain=Drain(), artifacts=elsewhere)
    house.supervisor.supervise(job_id, CPU)
    assert epoch_events(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]
    (file,) = house.record(job_id).artifacts
    assert b"".join(elsewhere.read(file.key, 0, file.bytes)) == trained(4)


def test_paused_job_resumes_on_another_machine(house: House, elsewhere: ObjectArtifacts) -> None:
    with house.running("stop_at_two", epochs=4) as job_id:
        eventually(lambda: len(stored_epochs(house.jobs, job_id)) == 2, "the second epoch")
        house.jobs.request_pause(job_id)
    assert house.record(job_id).status is JobStatus.PAUSED
    assert elsewhere.checkpointed() == [job_id]
    house.jobs.request_resume(job_id)
    house.change(artifacts=elsewhere)
    house.supervisor.supervise(job_id, CPU)
    assert house.record(job_id).status is JobStatus.SUCCEEDED
    assert epoch_events(house, job_id) == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert elsewhere.checkpointed() == []


def test_two_checkpoints_are_kept_across_attempts(
    bucket_store: ObjectArtifacts, elsewhere: ObjectArtifacts, seaweed: Seaweed, url: str
) -> None:
    write(bucket_store.attempt_checkpoints(JOB, 1), 1, 2, 3)
    second = elsewhere.attempt_checkpoints(JOB, 2)
    second.fetch()
    second.save()
    assert len(objects(seaweed, url, "manifest.json")) == 2  # what was fetched is not copied again
    write(second, 4)
    kept = [path.split("/")[-3:-1] for path in objects(seaweed, url, "manifest.json")]
    assert kept == [["1", "000001-000000003"], ["2", "000002-000000004"]]
    assert newest(bucket_store, 3) == 4


@pytest.mark.parametrize("damage", ["flip", "cut", "lose", "no manifest", "odd manifest"])
@pytest.mark.parametrize("ending", ["checkpoint", "history"])
def test_damaged_checkpoint_is_skipped(
    bucket_store: ObjectArtifacts, seaweed: Seaweed, url: str, damage: str, ending: str
) -> None:
    write(bucket_store.attempt_checkpoints(JOB, 1), 1, 2)
    path = objects(seaweed, url, ending)[-1]
    bare = seaweed.bare()
    content = bytearray(bytes(bare.get(path).bytes()))
    content[len(content) // 2] ^= 1
    manifest = objects(seaweed, url, "manifest.json")[-1]
    match damage:
        case "flip":
            bare.put(path, bytes(content))
        case "cut":
            bare.put(path, bytes(content[:-1]))
        case "lose":
            bare.delete(path)
        case "no manifest":
            bare.delete(manifest)
        case _:
            bare.put(manifest, b'{"files": [{"name": "../x", "bytes": 1, "sha256": ""}]}')
    assert newest(bucket_store, 2) == 1
    assert newest(bucket_store, 3) == 1


def test_incomplete_checkpoint_replaces_no_complete_one(
    bucket_store: ObjectArtifacts, seaweed: Seaweed, url: str
) -> None:
    first = bucket_store.attempt_checkpoints(JOB, 1)
    write(first, 1, 2)
    seaweed.bare().delete(objects(seaweed, url, "manifest.json")[-1])
    write(first, 3)
    kept = [path.split("/")[-2] for path in objects(seaweed, url, "checkpoint")]
    assert kept == ["000001-000000001", "000002-000000003"]


def test_stale_attempt_does_no_damage(
    bucket_store: ObjectArtifacts, elsewhere: ObjectArtifacts, tmp_path: Path
) -> None:
    """It was suspended, lost its job, and has a higher epoch than its successor."""
    zombie = bucket_store.attempt_checkpoints(JOB, 1)
    write(zombie, 1)
    second = elsewhere.attempt_checkpoints(JOB, 2)
    second.fetch()
    write(second, 2)
    write(zombie, 7, 8, 9)
    third = ObjectArtifacts(bucket_store.url, tmp_path / "third")
    assert newest(third, 3) == 2


def test_attempt_without_checkpoints_uses_earlier_ones(bucket_store: ObjectArtifacts) -> None:
    assert newest(bucket_store, 1) is None
    write(bucket_store.attempt_checkpoints(JOB, 1), 5)
    assert newest(bucket_store, 2) == 5  # it dies without one of its own
    assert newest(bucket_store, 3) == 5
    assert bucket_store.checkpointed() == [JOB]
    bucket_store.discard_checkpoints(JOB)
    assert (bucket_store.checkpointed(), newest(bucket_store, 4)) == ([], None)


def test_failed_save_is_repeated(link: Link, url: str, tmp_path: Path) -> None:
    store = ObjectArtifacts(url, tmp_path / "scratch")
    checkpoints = store.attempt_checkpoints(JOB, 1)
    link.cut()
    recorded: list[int] = []
    with CheckpointMirror(checkpoints, recorded.append, interval_s=0.01) as saving:
        CheckpointStore(checkpoints.folder, "key").write(
            Checkpoint(1, {"weights": np.full(3, 1)}, {}, [row(1)])
        )
        saving.finish(Drain(), seconds=0.2, grace_s=9.0)
        cancelled = threading.Event()
        cancelled.set()
        began = time.monotonic()
        saving.finish(Drain(), seconds=60.0, grace_s=60.0, unwanted=cancelled)
        assert time.monotonic() - began < 5
        drain = Drain()
        drain.start()
        saving.finish(drain, seconds=9.0, grace_s=0.2)
        link.mend()
        assert recorded in ([], [0])
        saving.finish(drain, seconds=20.0, grace_s=20.0)
    assert newest(store, 2) == 1
    assert recorded[-1] == 1
