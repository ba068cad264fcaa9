"""Files without a record are deleted once they are a day old; all others stay."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import (
    ArtifactRecord,
    ArtifactStore,
    Claim,
    Database,
    JobRecord,
    JobStore,
    LeaseStore,
    LocalArtifacts,
    NewJob,
    artifact_key,
)
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.garbage import ArtifactGarbage

DAY_S = 86_400.0
COMPLETED = EndReason(code=EndCode.COMPLETED, detail="")


class Case:
    """Jobs and their files."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self.jobs, self.leases, self.store = JobStore(database), LeaseStore(database), store

    def claim(self) -> Claim:
        job = self.jobs.create(NewJob(spec="{}", resolved="{}", epochs=1)).record
        return self.again(job.id)

    def again(self, job_id: str) -> Claim:
        claim = self.leases.claim(job_id, "test")
        assert claim is not None
        return claim

    def publish(self, claim: Claim, name: str) -> ArtifactRecord:
        file = self.store.staging(claim.job_id, claim.fence) / name
        file.write_bytes(b"x")
        stored = self.store.publish(file, artifact_key(claim.job_id, claim.fence, name))
        return ArtifactRecord(name=name, media_type="text/plain", **stored._asdict())

    def finish(self, claim: Claim, *files: ArtifactRecord) -> None:
        assert self.leases.finish(claim, JobStatus.SUCCEEDED, COMPLETED, artifacts=files)

    def collect(self, after_s: float = DAY_S + 60) -> None:
        ArtifactGarbage(self.jobs, self.store, DAY_S, clock=lambda: time.time() + after_s)()

    def keys(self) -> list[str]:
        return sorted(key for attempt in self.store.attempts() for key in attempt.keys)


@pytest.fixture
def case(store: ArtifactStore, tmp_path: Path) -> Iterator[Case]:
    database = Database(f"sqlite:///{tmp_path / 'records.db'}")
    database.migrate()
    yield Case(database, store)
    database.close()


def test_recorded_files_stay(case: Case) -> None:
    claim = case.claim()
    kept, unrecorded = case.publish(claim, "model.keras"), case.publish(claim, "half")
    case.finish(claim, kept)
    case.collect(after_s=DAY_S - 60)
    assert case.keys() == sorted([kept.key, unrecorded.key])
    case.collect()
    assert case.keys() == [kept.key]
    case.collect(after_s=1000 * DAY_S)
    assert case.keys() == [kept.key]


def test_files_of_dead_attempts_are_deleted(case: Case) -> None:
    """But never those of the running attempt, however old."""
    first = case.claim()
    lost = case.publish(first, "model.keras")
    case.leases.release(first, penalized=False)
    second = case.again(first.job_id)
    made = case.publish(second, "model.keras")
    case.collect()
    assert case.keys() == [made.key]
    assert lost.key != made.key
    case.finish(second, made)
    case.collect()
    assert case.keys() == [made.key]


@pytest.mark.parametrize("end", ["queued", "cancelled", "deleted"])
def test_unrecorded_files_of_released_jobs_are_deleted(case: Case, end: str) -> None:
    claim = case.claim()
    case.publish(claim, "model.keras")
    if end == "queued":
        case.leases.release(claim, penalized=True)
    else:
        case.jobs.request_cancel(claim.job_id)
        case.leases.release(claim, penalized=False)
    if end == "deleted":
        case.jobs.delete(claim.job_id)
    case.collect()
    assert case.keys() == []


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_file_published_during_the_collection_stays(case: Case) -> None:
    """The listing is outdated when the collector reads the job."""
    claim = case.claim()
    staged = case.store.staging(claim.job_id, claim.fence)
    (staged / "model.keras").write_bytes(b"x")
    get = case.jobs.get

    def finished_first(job_id: str) -> JobRecord | None:
        case.finish(claim, case.publish(claim, "model.keras"))
        return get(job_id)

    case.jobs.get = finished_first  # type: ignore[method-assign]
    case.collect()
    assert case.keys() == [artifact_key(claim.job_id, claim.fence, "model.keras")]


def test_new_database_deletes_nothing(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was started with a wrong RIDGELINE_DATABASE_URL."""
    claim = case.claim()
    file = case.publish(claim, "model.keras")
    case.finish(claim, file)
    database = Database(f"sqlite:///{tmp_path / 'another.db'}")
    database.migrate()
    other = Case(database, case.store)
    other.jobs.create(NewJob(spec="{}", resolved="{}", epochs=1))
    other.collect()
    assert case.keys() == [file.key]
    assert "RIDGELINE_DATABASE_URL" in caplog.text
    other.claim()
    other.collect()
    assert case.keys() == []
    database.close()


def test_deletions_are_logged(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ridgeline.storage.files.garbage")
    claim = case.claim()
    files = [case.publish(claim, "half"), case.publish(claim, "model.keras")]
    case.finish(claim, files[1])
    for _ in range(3):
        case.collect()
    assert len(caplog.records) == 1


def test_attempt_deleted_during_the_collection_is_skipped(tmp_path: Path) -> None:
    """Other processes delete files concurrently; the rest must still be checked."""
    store = LocalArtifacts(tmp_path / "artifacts")
    for number in range(3):
        store.staging(f"job_{number}", 1)
        (tmp_path / "artifacts" / f"job_{number}" / "1").mkdir(parents=True)
    listdir = os.listdir

    def gone_first(folder: Path) -> list[str]:
        if folder.name == "job_1":
            shutil.rmtree(folder, ignore_errors=True)
        return listdir(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "listdir", gone_first)
        assert [attempt.job_id for attempt in store.attempts()] == ["job_0", "job_2"]


def test_unrelated_files_are_not_deleted(
    case: Case, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Only names of attempts' files are considered."""
    case.claim()
    names = ["README", "job_x/notes/file", "1/x/y", "job_x/1/deeper/file"]
    if isinstance(case.store, ObjectArtifacts):
        server = request.getfixturevalue("seaweed").bare()
        prefix = case.store.url.partition("artifacts/")[2]
        paths = [f"{prefix}/{name}" for name in names]
        for path in paths:
            server.put(path, b"x")
        case.collect()
        assert [server.head(path)["size"] for path in paths] == [1] * len(names)
        return
    files = [tmp_path / "artifacts" / name for name in names[:3]]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    case.collect()
    assert all(file.exists() for file in files)


def folders(store: LocalArtifacts, claim: Claim) -> list[Path]:
    return [
        store.staging(claim.job_id, claim.fence),
        store.private_checkpoints(claim.job_id, claim.fence),
    ]


@pytest.fixture
def scratch(store: ArtifactStore) -> LocalArtifacts:
    return store.scratch if isinstance(store, ObjectArtifacts) else _local(store)


def _local(store: ArtifactStore) -> LocalArtifacts:
    assert isinstance(store, LocalArtifacts)
    return store


def test_staged_files_of_killed_workers_are_deleted(case: Case, scratch: LocalArtifacts) -> None:
    """With a bucket, each machine's worker cleans up its own disk."""
    dead, running = case.claim(), case.claim()
    left, held = folders(scratch, dead), folders(scratch, running)
    for folder in (*left, *held):
        (folder / "half").write_bytes(b"x")
    case.leases.release(dead, penalized=True)
    collect = ArtifactGarbage(case.jobs, scratch, DAY_S, clock=lambda: time.time() + 2 * DAY_S)
    collect()
    assert not any(folder.exists() for folder in left)
    assert all((folder / "half").exists() for folder in held)


def test_undeletable_garbage_does_not_block_the_rest(
    case: Case, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claims = [case.claim() for _ in range(3)]
    for claim in claims:
        case.publish(claim, "half")
        case.leases.release(claim, penalized=True)
    discard: Callable[[str, int], None] = case.store.discard
    stuck = claims[1].job_id

    def refuse(job_id: str, fence: int) -> None:
        if job_id == stuck:
            raise PermissionError(job_id)
        discard(job_id, fence)

    monkeypatch.setattr(case.store, "discard", refuse)
    case.collect()
    assert case.keys() == [artifact_key(stuck, 1, "half")]
    assert stuck in caplog.text
