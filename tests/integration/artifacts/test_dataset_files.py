"""Data set files in a folder, and in a bucket with copies on the worker's disk."""

import hashlib
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ridgeline.storage import (
    ArtifactsUnavailable,
    DamagedArtifact,
    InvalidArtifactKey,
    UnknownArtifact,
)
from ridgeline.storage.files.bucket import PART_BYTES, Bucket, Retrying
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetRecord,
    LocalDatasetFiles,
    dataset_key,
    part_key,
)
from ridgeline.storage.files.datasets.bucket import BucketDatasetFiles
from tests.integration.artifacts.link import Link

pytestmark = pytest.mark.servers

CONTENT = b"0123456789" * 1000


@pytest.fixture
def bucket_files(url: str, tmp_path: Path) -> BucketDatasetFiles:
    return BucketDatasetFiles(Bucket(url), tmp_path / "own")


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetFiles:
    """Both kinds."""
    if request.param == "folder":
        return LocalDatasetFiles(tmp_path / "datasets")
    found: DatasetFiles = request.getfixturevalue("bucket_files")
    return found


def put(files: DatasetFiles, content: bytes = CONTENT) -> DatasetRecord:
    """Store a file, and return the record that the database would have."""
    sha256 = hashlib.sha256(content).hexdigest()
    staged = files.staging() / sha256
    staged.write_bytes(content)
    key = dataset_key(sha256)
    files.store(staged, key)
    assert not staged.exists()
    return DatasetRecord(
        id=f"ds_{sha256[:32]}",
        name="rows",
        format="csv",
        bytes=len(content),
        sha256=sha256,
        key=key,
        contents="{}",
        created_at=datetime.now(UTC),
    )


def test_stored_file_is_read_back(files: DatasetFiles) -> None:
    record = put(files)
    assert files.size(record.key) == len(CONTENT)
    assert b"".join(files.read(record.key, 0, len(CONTENT))) == CONTENT
    assert b"".join(files.read(record.key, 5, 12)) == CONTENT[5:12]
    with files.fetch(record) as held:
        assert held.path.read_bytes() == CONTENT
        assert not held.path.stat().st_mode & 0o222
    (found,) = files.files()
    assert found.key == record.key
    assert abs(found.modified_at - time.time()) < 60
    files.delete([record.key])
    files.delete([record.key])
    assert list(files.files()) == []


def test_large_file_is_sent_in_parts(bucket_files: BucketDatasetFiles) -> None:
    record = put(bucket_files, os.urandom(PART_BYTES + 1234))
    with bucket_files.fetch(record) as held:
        content = held.path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == record.sha256


def test_same_bytes_again_are_another_file(files: DatasetFiles) -> None:
    """Deleting one does not affect the other."""
    first, second = put(files), put(files)
    files.delete([first.key])
    with files.fetch(second) as held:
        assert held.path.read_bytes() == CONTENT


def test_unknown_key_is_rejected(files: DatasetFiles) -> None:
    record = put(files)
    files.delete([record.key])
    for call in (
        lambda: files.size(record.key),
        lambda: list(files.read(record.key, 0, 1)),
        lambda: files.fetch(record),
    ):
        with pytest.raises(UnknownArtifact):
            call()


@pytest.mark.parametrize(
    "key", ["", "files/x", "../x", "files/" + "0" * 64, "/etc/passwd", "staging/x"]
)
def test_invalid_key_is_rejected(files: DatasetFiles, key: str, tmp_path: Path) -> None:
    (tmp_path / "staged").write_bytes(b"x")
    calls: list[Callable[[], object]] = [
        lambda: files.size(key),
        lambda: list(files.read(key, 0, 1)),
        lambda: files.signed_url(key, 1),
        lambda: files.delete([key]),
        lambda: files.store(tmp_path / "staged", key),
    ]
    for call in calls[: 2 if isinstance(files, LocalDatasetFiles) else None]:
        with pytest.raises(InvalidArtifactKey):
            call()
    with pytest.raises(InvalidArtifactKey):
        calls[-1]()
    assert (tmp_path / "staged").exists()


def test_part_is_stored_and_deleted(files: DatasetFiles) -> None:
    key = part_key("up_" + "0" * 32, 12)
    staged = files.staging() / "part"
    staged.write_bytes(b"part")
    files.store(staged, key)
    assert b"".join(files.read(key, 0, 4)) == b"part"
    assert [each.key for each in files.files()] == [key]


def test_old_staged_files_are_deleted(files: DatasetFiles) -> None:
    old, new = files.staging() / "old", files.staging() / "new"
    old.touch()
    new.touch()
    os.utime(old, (1, 1))
    files.clear_staging(before=1000)
    assert [path.name for path in files.staging().iterdir()] == ["new"]


def test_file_of_wrong_size_is_damaged(files: DatasetFiles) -> None:
    record = put(files)
    longer = DatasetRecord(**{**vars(record), "bytes": record.bytes + 1})
    with pytest.raises(DamagedArtifact):
        files.fetch(longer)


def test_changed_bytes_in_the_bucket_are_damaged(bucket_files: BucketDatasetFiles) -> None:
    record = put(bucket_files)
    other = put(bucket_files, CONTENT[::-1])
    forged = DatasetRecord(**{**vars(record), "key": other.key})
    with pytest.raises(DamagedArtifact):
        bucket_files.fetch(forged)
    assert copies(bucket_files) == []


def copies(files: BucketDatasetFiles) -> list[str]:
    folder = files._folder / "cache"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_copy_is_downloaded_once(bucket_files: BucketDatasetFiles, url: str) -> None:
    record = put(bucket_files)
    bucket_files.fetch(record).close()
    bucket_files.delete([record.key])
    with bucket_files.fetch(record) as held:  # by another attempt, later
        assert held.path.read_bytes() == CONTENT


def test_truncated_copy_is_downloaded_again(
    bucket_files: BucketDatasetFiles,
) -> None:
    record = put(bucket_files)
    with bucket_files.fetch(record) as held:
        path = held.path
    path.chmod(0o600)
    path.write_bytes(b"cut off")
    with bucket_files.fetch(record) as held:
        assert held.path.read_bytes() == CONTENT


def test_unused_copies_are_deleted_for_room(
    bucket_files: BucketDatasetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [put(bucket_files, bytes([number]) * 1000) for number in range(3)]
    oldest, held_one, third = records
    bucket_files.fetch(oldest).close()
    holding = bucket_files.fetch(held_one)

    class Usage:
        @property
        def free(self) -> int:
            return 3000 - 1000 * len(copies(bucket_files)) - 500

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage())
    bucket_files.fetch(third).close()
    assert copies(bucket_files) == sorted([held_one.sha256, third.sha256])
    assert holding.path.read_bytes() == bytes([1]) * 1000
    larger = put(bucket_files, bytes(2500))
    with pytest.raises(OSError, match="No space left"):
        bucket_files.fetch(larger)
    assert copies(bucket_files) == [held_one.sha256]
    holding.close()


def test_concurrent_workers_share_a_copy(
    bucket_files: BucketDatasetFiles, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on this machine: one holds the copy before the other has downloaded it."""
    record, copy = put(bucket_files), Bucket.copy
    quicker: list[Any] = []
    theirs = BucketDatasetFiles(Bucket(url), bucket_files._folder)

    def late(self: Bucket, *arguments: Any) -> int:
        if not quicker:
            quicker.append(None)
            quicker[0] = theirs.fetch(record)
        return copy(self, *arguments)

    monkeypatch.setattr(Bucket, "copy", late)
    bucket_files.fetch(record).close()
    path = bucket_files._folder / "cache" / record.sha256
    os.utime(path, (1, 1))
    bucket_files.clear_staging(before=1000)
    assert quicker[0].path.read_bytes() == CONTENT
    quicker[0].close()
    os.utime(path, (1, 1))
    bucket_files.clear_staging(before=1000)
    assert copies(bucket_files) == []


def test_old_unused_copies_are_deleted(bucket_files: BucketDatasetFiles) -> None:
    used, unused, held_one = (put(bucket_files, bytes([number])) for number in range(3))
    for record in (used, unused):
        bucket_files.fetch(record).close()
    holding = bucket_files.fetch(held_one)
    for record in (unused, held_one):
        os.utime(bucket_files._folder / "cache" / record.sha256, (1, 1))
    half = bucket_files._folder / "cache" / ".half"
    half.touch()
    os.utime(half, (1, 1))
    bucket_files.clear_staging(before=1000)
    assert copies(bucket_files) == sorted([used.sha256, held_one.sha256])
    holding.close()


def test_bucket_that_does_not_respond_is_unavailable(url: str, link: Link, tmp_path: Path) -> None:
    quick = Retrying(0, 1.0, 1.0)
    files = BucketDatasetFiles(Bucket(url, quick), tmp_path / "own")
    record = put(files)
    link.cut()
    for call in (lambda: files.fetch(record), lambda: files.size(record.key)):
        with pytest.raises(ArtifactsUnavailable):
            call()
    staged = files.staging() / "staged"
    staged.write_bytes(CONTENT)
    with pytest.raises(ArtifactsUnavailable):
        files.store(staged, dataset_key(record.sha256))
    assert copies(files) == []
