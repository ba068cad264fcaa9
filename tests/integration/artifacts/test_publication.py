"""Publication to a bucket while the server is killed or bytes are changed."""

import os
import time
from pathlib import Path
from typing import IO

import pytest

from ridgeline.api.job import JobStatus
from ridgeline.storage import (
    ArtifactExists,
    ArtifactsUnavailable,
    Claim,
    DamagedArtifact,
    LeaseStore,
    StoredFile,
    UnknownArtifact,
    UnusableArtifactStore,
    artifact_key,
    open_artifacts,
)
from ridgeline.storage.files import bucket
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.bucket import PART_BYTES, Bucket
from tests.integration.artifacts.link import Link
from tests.integration.artifacts.seaweed import Seaweed
from tests.integration.worker import conftest as worker_fixtures
from tests.integration.worker import stub_engine
from tests.integration.worker.conftest import House
from worker.settings import forget_credentials

context = worker_fixtures.context
settings = worker_fixtures.settings
house = worker_fixtures.house

JOB = "job_" + "a" * 32
KEY = artifact_key(JOB, 1, "model.keras")


def staged(store: ObjectArtifacts, content: bytes) -> Path:
    file = store.staging(JOB, 1) / "model.keras"
    file.write_bytes(content)
    return file


def whole(store: ObjectArtifacts, key: str = KEY) -> bytes:
    return b"".join(store.read(key, 0, store.size(key)))


def test_server_killed_during_publication(
    bucket_store: ObjectArtifacts, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash leaves the whole file or none, and a retry publishes it."""
    content = os.urandom(3 * PART_BYTES)
    file = staged(bucket_store, content)
    parts = [0]
    exactly = bucket._exactly

    def killing(opened: IO[bytes], size: int) -> bytes:
        parts[0] += 1
        if parts[0] == 2:
            seaweed.kill()
        return exactly(opened, size)

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "_exactly", killing)
        with pytest.raises(ArtifactsUnavailable):
            bucket_store.publish(file, KEY)
    assert parts[0] >= 2
    seaweed.start()
    with pytest.raises(UnknownArtifact):
        bucket_store.size(KEY)
    bucket_store.publish(file, KEY)
    assert whole(bucket_store) == content


@pytest.mark.parametrize("size", [100, 2 * PART_BYTES])
def test_unreadable_parts_leave_no_object(
    bucket_store: ObjectArtifacts, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    unfinished = seaweed.unfinished()

    exactly = bucket._exactly

    def failing(opened: IO[bytes], size: int) -> bytes:
        if opened.tell() or size < PART_BYTES:
            raise OSError("the disk is broken")
        return exactly(opened, size)

    file = staged(bucket_store, os.urandom(size))
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "_exactly", failing)
        with pytest.raises(OSError, match="broken"):
            bucket_store.publish(file, KEY)
    with pytest.raises(UnknownArtifact):
        bucket_store.size(KEY)
    assert seaweed.unfinished() == unfinished


@pytest.mark.parametrize("size", [100, PART_BYTES + 1])
def test_bit_flipped_in_transfer_is_detected(
    bucket_store: ObjectArtifacts, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    exactly = bucket._exactly

    def flipping(opened: IO[bytes], size: int) -> bytes:
        data = bytearray(exactly(opened, size))
        data[-1] ^= 1
        return bytes(data)

    monkeypatch.setattr(bucket, "_exactly", flipping)
    with pytest.raises(DamagedArtifact):
        bucket_store.publish(staged(bucket_store, os.urandom(size)), KEY)


def test_publication_with_a_lost_reply_can_be_repeated(bucket_store: ObjectArtifacts) -> None:
    first = bucket_store.publish(staged(bucket_store, b"content"), KEY)
    assert bucket_store.publish(staged(bucket_store, b"content"), KEY) == first
    with pytest.raises(ArtifactExists):
        bucket_store.publish(staged(bucket_store, b"kontent"), KEY)


def test_store_without_conditional_requests(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    store = ObjectArtifacts(url, tmp_path)
    store.publish(staged(store, b"content"), KEY)
    with pytest.raises(ArtifactExists):
        store.publish(staged(store, b"kontent"), KEY)
    assert whole(store) == b"content"


def test_attempt_waits_for_an_unreachable_server(
    house: House, link: Link, url: str, tmp_path: Path
) -> None:
    class Store(ObjectArtifacts):
        tries = 0

        def publish(self, staged_file: Path, key: str) -> StoredFile:
            self.tries += 1
            link.cut() if self.tries == 1 else link.mend()
            return super().publish(staged_file, key)

    store = Store(url, tmp_path / "scratch")
    house.change(artifacts=store)
    job = house.run("succeed")
    assert (job.status, job.attempt, store.tries) == (JobStatus.SUCCEEDED, 1, 2)
    assert whole(store, job.artifacts[0].key) == stub_engine.MODEL


def test_unreachable_server_costs_an_attempt_but_no_job(
    house: House, link: Link, url: str, tmp_path: Path
) -> None:
    class Store(ObjectArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            link.cut()
            return super().publish(staged_file, key)

    house.change(artifacts=Store(url, tmp_path / "scratch"), patience_s=0.0)
    job = house.run("succeed")
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)
    # Nor does an attempt that finds it away at its start: that is not even counted.
    with house.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET available_at = 0")
    house.supervisor.supervise(job.id, worker_fixtures.CPU)
    job = house.record(job.id)
    assert (job.status, job.attempt, job.crash_count) == (JobStatus.QUEUED, 2, 1)


@pytest.mark.parametrize("away_from", ["start", "publication"])
def test_cancel_does_not_wait_for_an_unreachable_server(
    house: House, link: Link, url: str, tmp_path: Path, away_from: str
) -> None:
    class Store(ObjectArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            cancel_and_cut()
            return super().publish(staged_file, key)

    def cancel_and_cut() -> None:
        if not house.jobs.list([JobStatus.CANCELLING]).records:
            house.jobs.request_cancel(job_id)
            link.cut()

    class Leases(LeaseStore):
        def claim(self, job_id: str, owner: str, lease_s: float = 30.0) -> Claim | None:
            claim = super().claim(job_id, owner, lease_s)
            if away_from == "start":
                cancel_and_cut()
            return claim

    house.change(
        artifacts=Store(url, tmp_path / "scratch"), leases=Leases(house.database), patience_s=60.0
    )
    job_id = house.add("succeed")
    started = time.monotonic()
    house.supervisor.supervise(job_id, worker_fixtures.CPU)
    assert house.record(job_id).status is JobStatus.CANCELLED
    assert time.monotonic() - started < 30


def test_store_works_after_keys_leave_the_environment(bucket_store: ObjectArtifacts) -> None:
    """The worker removes them before the trainer starts."""
    forget_credentials()
    assert not [name for name in os.environ if name.startswith("AWS_")]
    bucket_store.check()
    bucket_store.publish(staged(bucket_store, b"x"), KEY)
    assert whole(bucket_store) == b"x"


def test_rejected_keys_make_the_store_unusable(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    store = ObjectArtifacts(url, tmp_path)
    with pytest.raises(UnusableArtifactStore, match=r"HTTP 403.*AWS_ACCESS_KEY_ID") as caught:
        store.check()
    assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("url")
def test_missing_bucket_makes_the_store_unusable(tmp_path: Path) -> None:
    with pytest.raises(UnusableArtifactStore, match="Create the bucket"):
        ObjectArtifacts("s3://absent/prefix", tmp_path).check()


@pytest.mark.parametrize("bad", ["", "artifacts", "ftp://x/y", "s3://", "http://host/x", "/folder"])
def test_unknown_url_scheme_is_rejected(bad: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableArtifactStore, match=r"expected s3://bucket/prefix"):
        open_artifacts(bad, tmp_path)


def test_file_url_opens_a_folder(tmp_path: Path) -> None:
    open_artifacts(f"file://{tmp_path}/with%20space", tmp_path / "other").staging(JOB, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["with space"]


def test_unreachable_store_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(ArtifactsUnavailable):
        Bucket("s3://artifacts").check()


def test_reading_and_deleting_needs_no_disk(
    bucket_store: ObjectArtifacts, url: str, tmp_path: Path
) -> None:
    """The API's file system may be read-only."""
    bucket_store.publish(staged(bucket_store, b"content"), KEY)
    reader = ObjectArtifacts(url, tmp_path / "none")
    assert whole(reader) == b"content"
    reader.discard_before(JOB, 1)
    reader.clear_staging(JOB, 1)
    reader.delete_job(JOB)
    assert list(reader.attempts()) == []
    assert not (tmp_path / "none").exists()
