"""The contract of all artifact stores, in a folder and in a bucket."""

import hashlib
import os
from pathlib import Path

import pytest
import xxhash

from ridgeline.storage import (
    ArtifactExists,
    ArtifactStore,
    InvalidArtifactKey,
    InvalidStagedFile,
    UnknownArtifact,
    artifact_key,
)
from ridgeline.storage.files.bucket import PART_BYTES

JOB = "job_" + "a" * 32
OTHER = "job_" + "b" * 32
CONTENT = bytes(range(256)) * 5000


def staged(
    store: ArtifactStore, fence: int = 1, name: str = "model.keras", content: bytes = CONTENT
) -> Path:
    file = store.staging(JOB, fence) / name
    file.write_bytes(content)
    return file


def key(fence: int = 1, name: str = "model.keras") -> str:
    return artifact_key(JOB, fence, name)


def whole(store: ArtifactStore, fence: int = 1, name: str = "model.keras") -> bytes:
    return b"".join(store.read(key(fence, name), 0, store.size(key(fence, name))))


@pytest.mark.parametrize("size", [0, 5000, PART_BYTES, PART_BYTES + 77])
def test_published_file_has_its_bytes_and_hash(store: ArtifactStore, size: int) -> None:
    content = os.urandom(size)
    file = staged(store, content=content)
    stored = store.publish(file, key())
    digests = hashlib.sha256(content).hexdigest(), xxhash.xxh3_128_hexdigest(content)
    assert stored == (key(), size, *digests)
    assert (store.size(key()), whole(store)) == (size, content)
    assert not file.exists()


def test_range_is_a_slice(store: ArtifactStore) -> None:
    content = os.urandom(5 * 2**20)
    store.publish(staged(store, content=content), key())
    for start, end in ((0, 1), (5, 5), (2**22 - 1, 2**22 + 1), (1, 9), (7, len(content))):
        assert b"".join(store.read(key(), start, end)) == content[start:end]


def test_published_file_is_never_overwritten(store: ArtifactStore) -> None:
    store.publish(staged(store), key())
    for other in (b"other", CONTENT[:-1] + b"x", b"x" * (PART_BYTES + 1)):
        again = staged(store, content=other)
        with pytest.raises(ArtifactExists, match=key()):
            store.publish(again, key())
        assert again.exists()
    assert whole(store) == CONTENT


def test_attempts_have_distinct_keys(store: ArtifactStore) -> None:
    for fence, content in ((1, b"old"), (2, b"new")):
        store.publish(staged(store, fence, content=content), key(fence))
    assert (whole(store, 1), whole(store, 2)) == (b"old", b"new")


def test_file_outside_staging_is_rejected(store: ArtifactStore, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("x")
    folder = store.staging(JOB, 1)
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    for file in (outside, folder / "link", folder / "pipe", folder / "absent", folder):
        with pytest.raises(InvalidStagedFile):
            store.publish(file, key())
    with pytest.raises(UnknownArtifact):
        store.size(key())


@pytest.mark.parametrize("bad", ["", "model.keras", "../x/y", "a/../../x", ".checkpoints/a/b"])
def test_invalid_key_is_rejected(store: ArtifactStore, bad: str) -> None:
    for use in (
        store.size,
        lambda bad: list(store.read(bad, 0, 1)),
        lambda bad: store.delete([bad]),
    ):
        with pytest.raises(InvalidArtifactKey):
            use(bad)
    with pytest.raises(InvalidArtifactKey):
        store.publish(staged(store), bad)
    for job_id in ("..", ".staging", "", "a/../.."):
        for call in (
            store.delete_job,
            store.discard_checkpoints,
            lambda job_id: store.discard(job_id, 1),
            lambda job_id: store.discard_before(job_id, 9),
            lambda job_id: store.attempt_checkpoints(job_id, 1),
        ):
            with pytest.raises(InvalidArtifactKey):
                call(job_id)


def test_unknown_key_is_rejected(store: ArtifactStore) -> None:
    with pytest.raises(UnknownArtifact):
        store.size(key())
    with pytest.raises(UnknownArtifact):
        list(store.read(key(), 0, 10))
    store.check()
    store.delete([key()])
    store.discard(JOB, 1)
    store.discard_before(JOB, 9)
    store.discard_checkpoints(JOB)
    store.delete_job(JOB)
    assert (list(store.attempts()), store.checkpointed()) == ([], [])


def test_delete_removes_only_the_given_keys(store: ArtifactStore) -> None:
    for name in ("model.keras", "report.json"):
        store.publish(staged(store, name=name), key(name=name))
    store.delete([key(), key(name="absent")])
    with pytest.raises(UnknownArtifact):
        store.size(key())
    assert whole(store, name="report.json") == CONTENT


def test_discard_removes_all_files_of_one_attempt(store: ArtifactStore) -> None:
    for fence in (1, 2):
        store.publish(staged(store, fence), key(fence))
    rest = staged(store, 1, "rest")
    kept = staged(store, 2, "rest")
    store.clear_staging(JOB, 2)
    store.discard(JOB, 1)
    assert not rest.exists()
    assert not kept.exists()
    assert [(each.fence, each.keys) for each in store.attempts()] == [(2, (key(2),))]


def test_discard_before_removes_earlier_attempts(store: ArtifactStore) -> None:
    for fence in (1, 2, 10):
        store.publish(staged(store, fence), key(fence))
        staged(store, fence, "half")
    store.discard_before(JOB, 10)
    assert [each.fence for each in store.attempts()] == [10]
    assert (store.staging(JOB, 10) / "half").exists()


def test_delete_job_removes_all_its_files(store: ArtifactStore) -> None:
    for job_id in (JOB, OTHER):
        file = store.staging(job_id, 1) / "file"
        file.write_bytes(b"x")
        store.publish(file, artifact_key(job_id, 1, "file"))
    store.delete_job(JOB)
    assert [each.job_id for each in store.attempts()] == [OTHER]
