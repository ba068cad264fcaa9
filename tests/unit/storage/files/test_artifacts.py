"""Files are published atomically, once."""

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import xxhash

from ridgeline.storage import (
    ArtifactExists,
    ArtifactStore,
    InvalidArtifactKey,
    InvalidStagedFile,
    LocalArtifacts,
    UnknownArtifact,
    artifact_key,
)

JOB = "job_" + "a" * 32
CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files" / "artifacts"


@pytest.fixture
def store(root: Path) -> LocalArtifacts:
    return LocalArtifacts(root)


def staged(
    store: ArtifactStore, fence: int = 1, name: str = "model.keras", content: bytes = CONTENT
) -> Path:
    file = store.staging(JOB, fence) / name
    file.write_bytes(content)
    return file


def key(fence: int = 1, name: str = "model.keras") -> str:
    return artifact_key(JOB, fence, name)


class TestPublish:
    def test_published_file_has_its_bytes_and_hash(self, store: LocalArtifacts) -> None:
        file = staged(store)
        stored = store.publish(file, key())
        digests = hashlib.sha256(CONTENT).hexdigest(), xxhash.xxh3_128_hexdigest(CONTENT)
        assert stored == (f"{JOB}/1/model.keras", len(CONTENT), *digests)
        with store.open(key()) as opened:
            assert opened.read() == CONTENT
        assert store.path(key()).read_bytes() == CONTENT
        assert not file.exists()

    def test_empty_file_can_be_published(self, store: LocalArtifacts) -> None:
        stored = store.publish(staged(store, content=b""), key())
        assert (stored.bytes, stored.sha256) == (0, hashlib.sha256(b"").hexdigest())

    def test_publication_syncs_file_then_every_folder(
        self, store: LocalArtifacts, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file's bytes, then the rename, then every folder above it."""
        file = staged(store)
        steps: list[str] = []
        fsync, rename = os.fsync, Path.rename

        def watch_fsync(descriptor: int) -> None:
            steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            fsync(descriptor)

        def watch_rename(source: Path, target: Path) -> Path:
            steps.append("rename")
            return rename(source, target)

        monkeypatch.setattr(os, "fsync", watch_fsync)
        monkeypatch.setattr(Path, "rename", watch_rename)
        store.publish(file, key())
        folders = [root / JOB / "1", root / JOB, root]
        assert steps == [str(file), "rename", *map(str, folders)]

    def test_published_file_is_never_overwritten(self, store: LocalArtifacts) -> None:
        store.publish(staged(store), key())
        again = staged(store, content=b"other")
        with pytest.raises(ArtifactExists, match=key()):
            store.publish(again, key())
        assert store.path(key()).read_bytes() == CONTENT
        assert again.exists()

    def test_attempts_have_distinct_keys(self, store: LocalArtifacts) -> None:
        store.publish(staged(store, fence=1, content=b"old"), key(fence=1))
        store.publish(staged(store, fence=2, content=b"new"), key(fence=2))
        assert store.path(key(fence=1)).read_bytes() == b"old"
        assert store.path(key(fence=2)).read_bytes() == b"new"

    def test_full_disk_raises_its_oserror(
        self, store: LocalArtifacts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = staged(store)

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="no space") as caught:
                store.publish(file, key())
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(UnknownArtifact):
            store.path(key())

    def test_file_replaced_after_hashing_is_rejected(
        self, store: LocalArtifacts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The trainer may replace the file between hashing and renaming."""
        file = staged(store)
        rename = Path.rename

        def exchange(source: Path, target: Path) -> Path:
            source.unlink()
            source.write_bytes(b"other")
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", exchange)
        with pytest.raises(InvalidStagedFile):
            store.publish(file, key())
        with pytest.raises(UnknownArtifact):
            store.path(key())

    def test_pipe_is_rejected_without_blocking(self, store: LocalArtifacts) -> None:
        pipe = store.staging(JOB, 1) / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(InvalidStagedFile):
            store.publish(pipe, key())

    def test_file_outside_staging_is_rejected(self, store: LocalArtifacts, tmp_path: Path) -> None:
        outside = tmp_path / "secret"
        outside.write_text("x")
        folder = store.staging(JOB, 1)
        (folder / "link").symlink_to(outside)
        (folder / "inner").mkdir()
        (folder / "way-out").symlink_to(tmp_path)
        for file in (
            outside,
            folder / "link",
            folder / "inner",
            folder / "absent",
            folder / "way-out" / "secret",
            folder / ".." / ".." / ".." / ".." / ".." / "secret",
        ):
            with pytest.raises(InvalidStagedFile):
                store.publish(file, key())
        assert outside.read_text() == "x"


class TestKeys:
    @pytest.mark.parametrize(
        "bad",
        [
            "",
            "model.keras",
            "/etc/passwd",
            "../x/y",
            "a/../../x",
            "a/..",
            "a/./b",
            "a//b",
            "a/b/",
            "a/.hidden",
            ".staging/a/b",
            "a/b\x00c",
            "a/b\nc",
            "a/b\n",
            "a\\..\\b/c",
            "a/%2e%2e/b",
            "a/ü",
            "a/" + "x" * 300,
        ],
    )
    def test_path_traversal_is_rejected(self, store: LocalArtifacts, bad: str) -> None:
        for use in (store.path, store.open, lambda bad: store.delete([bad])):
            with pytest.raises(InvalidArtifactKey):
                use(bad)
        with pytest.raises(InvalidArtifactKey):
            store.publish(staged(store), bad)

    def test_link_out_of_the_store_is_rejected(
        self, store: LocalArtifacts, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "file").write_text("x")
        (root / "job").symlink_to(tmp_path / "outside")
        with pytest.raises(InvalidArtifactKey):
            store.open("job/file")

    @pytest.mark.parametrize("job_id", ["..", "a/b", "", ".staging"])
    def test_invalid_job_id_is_rejected(self, store: LocalArtifacts, job_id: str) -> None:
        for use in (store.staging, store.discard, store.clear_staging):
            with pytest.raises(InvalidArtifactKey):
                use(job_id + "/.." * (job_id == "a/b"), 1)

    @pytest.mark.parametrize("name", ["", "..", ".hidden", "a b", "x\n", "../x"])
    def test_key_is_made_only_from_plain_names(self, name: str) -> None:
        with pytest.raises(InvalidArtifactKey):
            artifact_key(JOB, 1, name)


class TestStaging:
    def test_staging_is_private_and_on_the_same_file_system(
        self, store: LocalArtifacts, root: Path
    ) -> None:
        folder = store.staging(JOB, 3)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_dev == root.stat().st_dev
        assert folder == store.staging(JOB, 3)
        assert folder != store.staging(JOB, 4)

    def test_clearing_keeps_published_files(self, store: LocalArtifacts) -> None:
        store.publish(staged(store), key())
        rest = staged(store, name="rest")
        store.clear_staging(JOB, 1)
        assert not rest.exists()
        assert store.path(key()).read_bytes() == CONTENT

    def test_discard_removes_all_files_of_one_attempt(self, store: LocalArtifacts) -> None:
        store.publish(staged(store, fence=1), key(fence=1))
        store.publish(staged(store, fence=2), key(fence=2))
        rest = staged(store, fence=1, name="rest")
        store.discard(JOB, 1)
        store.discard(JOB, 1)
        assert not rest.exists()
        with pytest.raises(UnknownArtifact):
            store.path(key(fence=1))
        assert store.path(key(fence=2)).read_bytes() == CONTENT

    def test_concurrent_attempts_of_a_job_are_independent(self, root: Path) -> None:
        """One deletes its folder, and the empty parent, while another creates its own."""

        def attempt(fence: int) -> None:
            store = LocalArtifacts(root)  # as another worker's
            for _ in range(200):
                staged(store, fence=fence)
                store.discard(JOB, fence)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(attempt, range(4)))
        assert [folder.name for folder in root.iterdir()] == [".staging"]


class TestDelete:
    def test_delete_removes_files_and_empty_folders(
        self, store: LocalArtifacts, root: Path
    ) -> None:
        store.publish(staged(store), key())
        store.publish(staged(store, name="report.json"), key(name="report.json"))
        store.clear_staging(JOB, 1)
        store.delete([key()])
        with pytest.raises(UnknownArtifact, match="deleted"):
            store.open(key())
        assert store.path(key(name="report.json")).exists()
        store.delete([key(name="report.json"), key()])
        assert [folder.name for folder in root.iterdir()] == [".staging"]

    def test_delete_checks_all_keys_first(self, store: LocalArtifacts) -> None:
        store.publish(staged(store), key())
        with pytest.raises(InvalidArtifactKey):
            store.delete([key(), "../x"])
        assert store.path(key()).exists()


class TestCheckpoints:
    """A folder shared by the attempts of the job."""

    def test_checkpoints_outlive_attempts(self, store: LocalArtifacts) -> None:
        folder = store.checkpoints(JOB)
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_bytes(b"x")
        staged(store, 1)
        store.discard(JOB, 1)
        store.discard_before(JOB, 99)
        assert store.checkpoints(JOB) == folder
        assert (folder / "file").read_bytes() == b"x"
        assert store.checkpointed() == [JOB]

    def test_checkpoints_are_discarded(self, store: LocalArtifacts) -> None:
        other = "job_" + "b" * 32
        for job_id in (JOB, other):
            (store.checkpoints(job_id) / "file").write_bytes(b"x")
        store.discard_checkpoints(JOB)
        store.discard_checkpoints(JOB)
        assert store.checkpointed() == [other]

    def test_discarding_missing_checkpoints_is_allowed(self, store: LocalArtifacts) -> None:
        assert store.checkpointed() == []

    def test_checkpoints_are_deleted_with_their_job(self, store: LocalArtifacts) -> None:
        (store.checkpoints(JOB) / "file").write_bytes(b"x")
        store.delete_job(JOB)
        assert store.checkpointed() == []

    def test_no_key_reaches_checkpoints(self, store: LocalArtifacts) -> None:
        (store.checkpoints(JOB) / "file").write_bytes(b"x")
        with pytest.raises(InvalidArtifactKey):
            store.path(f".checkpoints/{JOB}/file")


class TestRemains:
    """Files of killed workers."""

    def test_files_of_earlier_attempts_are_discarded(
        self, store: LocalArtifacts, root: Path
    ) -> None:
        for fence in (1, 2, 10):
            store.publish(staged(store, fence), key(fence))
            staged(store, fence, "half")
        store.discard_before(JOB, 10)
        left = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
        assert left == {Path(JOB, "10", "model.keras"), Path(".staging", JOB, "10", "half")}
        store.discard_before(JOB, 11)
        assert not (root / JOB).exists()
        store.discard_before(JOB, 11)

    def test_delete_job_removes_all_its_files(self, store: LocalArtifacts, root: Path) -> None:
        store.publish(staged(store), key())
        staged(store, 2)
        other = "job_" + "b" * 32
        store.staging(other, 1)
        store.delete_job(JOB)
        store.delete_job(JOB)
        assert [path.name for path in root.iterdir()] == [".staging"]
        assert [path.name for path in (root / ".staging").iterdir()] == [other]

    def test_invalid_job_id_deletes_nothing(self, store: LocalArtifacts, tmp_path: Path) -> None:
        for job_id in ("..", ".staging", "", "a/../.."):
            for call in (
                store.delete_job,
                store.checkpoints,
                store.discard_checkpoints,
                lambda job_id: store.discard_before(job_id, 9),
            ):
                with pytest.raises(InvalidArtifactKey):
                    call(job_id)
