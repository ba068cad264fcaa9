"""The newest whole checkpoint is found, whatever happened to the others."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from ridgeline.api.curves import EpochRow
from worker.engine.checkpoint import Checkpoint, CheckpointStore, fingerprint, store
from worker.engine.checkpoint.format import write_checkpoint

KEY = fingerprint('{"a": 1}')


def rows(until: int, start: int = 1, loss: float = 0.1) -> list[EpochRow]:
    return [
        EpochRow(
            epoch=epoch,
            values={"loss": loss / epoch, "auc": None},
            penalty_by_layer={"dense/kernel/l2": 1 / 3},
            nonfinite=("auc",),
            seconds=0.1,
        )
        for epoch in range(start, until + 1)
    ]


def checkpoint(epoch: int, loss: float = 0.1, size: int = 4) -> Checkpoint:
    arrays = {"kernel": np.full(size, epoch, np.float32), "step": np.array(epoch)}
    return Checkpoint(epoch, arrays, {"wait": epoch, "best": float("inf")}, rows(epoch, loss=loss))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def checkpoints(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("*.checkpoint"))


def found_by(folder: Path, key: str = KEY) -> Checkpoint | None:
    """What the next attempt goes on from."""
    return CheckpointStore(folder, key).newest()


def assert_found(folder: Path, epoch: int, key: str = KEY, loss: float = 0.1) -> None:
    found, expected = found_by(folder, key), checkpoint(epoch, loss)
    assert found is not None
    assert (found.epoch, found.state) == (epoch, expected.state)
    assert list(found.rows) == expected.rows
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert found_by(tmp_path) is None


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, KEY).write(checkpoint(3))
    assert_found(tmp_path, 3)


def test_two_generations_are_kept(tmp_path: Path) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    for epoch in (1, 2, 5, 9):
        kept.write(checkpoint(epoch))
    assert names(tmp_path) == [
        "000001-000000005.checkpoint",
        "000001-000000009.checkpoint",
        "000001.history",
    ]
    assert_found(tmp_path, 9)


def test_the_same_epoch_again_replaces_it(tmp_path: Path) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    for epoch in (1, 2, 2):
        kept.write(checkpoint(epoch))
    assert len(checkpoints(tmp_path)) == 2
    assert_found(tmp_path, 2)


def test_attempt_after_attempt(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        kept = CheckpointStore(tmp_path, KEY)
        before = kept.newest()
        assert (before.epoch if before else 0) == epoch - 1
        kept.write(checkpoint(epoch))
    assert names(tmp_path) == [
        *("000004-000000004.checkpoint", "000004.history"),
        *("000005-000000005.checkpoint", "000005.history"),
    ]


def break_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


def replace_by_foreign(path: Path) -> None:
    path.write_bytes(b"PK\3\4" * 100)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [break_off, empty, flip, replace_by_foreign, make_folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_falls_back_to_the_one_before(tmp_path: Path, damage: Any) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    kept.write(checkpoint(1))
    kept.write(checkpoint(2))
    damage(checkpoints(tmp_path)[-1])
    with capture_logs() as logs:
        assert_found(tmp_path, 1)
    assert [(each["log_level"], each["file"]) for each in logs] == [
        ("warning", "000001-000000002.checkpoint")
    ]
    assert logs[0]["because"]


def test_both_damaged_means_from_scratch(tmp_path: Path) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    kept.write(checkpoint(1))
    kept.write(checkpoint(2))
    for path in checkpoints(tmp_path):
        flip(path)
    assert found_by(tmp_path) is None


def test_a_damaged_one_does_not_crowd_out_a_whole_one(tmp_path: Path) -> None:
    first = CheckpointStore(tmp_path, KEY)
    first.write(checkpoint(1))
    first.write(checkpoint(2))
    flip(checkpoints(tmp_path)[-1])
    second = CheckpointStore(tmp_path, KEY)
    assert second.newest() is not None
    second.write(checkpoint(3))
    assert [path.name for path in checkpoints(tmp_path)] == [
        "000001-000000001.checkpoint",
        "000002-000000003.checkpoint",
    ]
    flip(checkpoints(tmp_path)[-1])
    assert_found(tmp_path, 1)


def test_another_key_is_passed_over(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, KEY).write(checkpoint(1))
    with capture_logs() as logs:
        assert found_by(tmp_path, fingerprint("{}")) is None
    assert "another spec" in logs[0]["because"]


def test_a_checkpoint_under_another_name_is_passed_over(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, KEY).write(checkpoint(1))
    checkpoints(tmp_path)[0].rename(tmp_path / "000001-000000009.checkpoint")
    assert found_by(tmp_path) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_history_takes_its_checkpoints_along(tmp_path: Path, damage: Any) -> None:
    first = CheckpointStore(tmp_path, KEY)
    first.write(checkpoint(2))
    second = CheckpointStore(tmp_path, KEY)
    second.newest()
    second.write(checkpoint(4))
    damage(tmp_path / "000002.history")
    assert_found(tmp_path, 2)


def test_a_torn_tail_of_the_history_does_not_matter(tmp_path: Path) -> None:
    """Killed after the history was extended, and before the checkpoint was there."""
    CheckpointStore(tmp_path, KEY).write(checkpoint(2))
    with (tmp_path / "000001.history").open("ab") as file:
        file.write(rows(3)[2].model_dump_json().encode() + b'\n{"epoch": 4, "val')
    assert_found(tmp_path, 2)


def test_rows_that_vanish_are_a_fault_of_the_caller(tmp_path: Path) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    kept.write(checkpoint(2))
    with pytest.raises(ValueError, match="received 1 epochs, and 2"):
        kept.write(checkpoint(1))


def test_what_is_left_of_killed_writers_is_removed(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, KEY).write(checkpoint(1))
    (tmp_path / "000001-000000002.tmp").write_bytes(b"half")
    (tmp_path / "somebody's notes").write_bytes(b"not ours")
    for _ in range(3):
        found_by(tmp_path)  # attempts that die before their first checkpoint
    kept = CheckpointStore(tmp_path, KEY)
    kept.newest()
    kept.write(checkpoint(2))
    assert names(tmp_path) == [
        *("000001-000000001.checkpoint", "000001.history"),
        *("000005-000000002.checkpoint", "000005.history"),
        "somebody's notes",
    ]


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """The kernel cuts files off, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [0, 1000, 100_000])
def test_a_full_disk_leaves_those_before_as_they_were(tmp_path: Path, limit: int) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    kept.write(checkpoint(1))
    kept.write(checkpoint(2))
    before = names(tmp_path)
    with files_at_most(limit), pytest.raises(OSError, match="too large") as caught:
        kept.write(checkpoint(30, size=100_000))
    assert caught.value.errno == errno.EFBIG
    assert names(tmp_path) == before
    kept.write(checkpoint(31))  # there is space again; the cut history is made good
    assert_found(tmp_path, 31)


def test_a_full_disk_at_the_start_lets_what_is_there_be_read(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, KEY).write(checkpoint(1))

    class Full(CheckpointStore):
        def _take_over(self) -> Any:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    full = Full(tmp_path, KEY)
    found = full.newest()
    assert found is not None
    assert found.epoch == 1
    with pytest.raises(OSError, match="No space"):
        full.write(checkpoint(2))


def test_survives_a_power_cut_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history's bytes, the checkpoint's, the rename, the folder; and only then old ones go."""
    kept = CheckpointStore(tmp_path, KEY)
    steps: list[str] = []
    fsync, rename, unlink = os.fsync, Path.rename, Path.unlink

    def watch_fsync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def watch_rename(source: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        return rename(source, target)

    def watch_unlink(path: Path, missing_ok: bool = False) -> None:
        steps.append(f"unlink {path.name}")
        unlink(path, missing_ok)

    kept.write(checkpoint(1))
    kept.write(checkpoint(2))
    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(Path, "rename", watch_rename)
    monkeypatch.setattr(Path, "unlink", watch_unlink)
    kept.write(checkpoint(3))
    assert steps == [
        "000001.history",
        "000001-000000003.tmp",
        "rename to 000001-000000003.checkpoint",
        tmp_path.name,
        "unlink 000001-000000001.checkpoint",
    ]


def dies_while_writing(kept: CheckpointStore, after: int) -> bool:
    """Write checkpoint 3 in a process that dies behind so many steps; whether it did."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    steps = [0]

    def mortal(call: Any) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            if steps[0] == after:
                os.kill(os.getpid(), signal.SIGKILL)
            steps[0] += 1
            return call(*args, **kwargs)

        return step

    os.fsync = mortal(os.fsync)
    for owner, name in ((Path, "open"), (Path, "rename"), (Path, "unlink"), (os, "open")):
        setattr(owner, name, mortal(getattr(owner, name)))
    kept.write(checkpoint(3))
    os._exit(0)


def test_killed_at_every_step(tmp_path: Path) -> None:
    epochs = []
    for after in range(20):
        folder = tmp_path / str(after)
        folder.mkdir()
        kept = CheckpointStore(folder, KEY)
        kept.write(checkpoint(1))
        kept.write(checkpoint(2))
        died = dies_while_writing(kept, after)
        found = found_by(folder)
        assert found is not None
        assert_found(folder, found.epoch)
        epochs.append(found.epoch)
        heir = CheckpointStore(folder, KEY)
        heir.newest()
        heir.write(checkpoint(4))
        assert len(checkpoints(folder)) == 2
        assert not list(folder.glob("*.tmp"))
        if not died:
            break
    assert not died
    assert epochs == sorted(epochs)
    assert set(epochs) == {2, 3}
    assert len(epochs) > 6


class TestZombie:
    """An attempt that was paused, lost its job, and goes on writing."""

    def test_is_refused(self, tmp_path: Path) -> None:
        zombie = CheckpointStore(tmp_path, KEY)
        zombie.newest()
        heir = CheckpointStore(tmp_path, KEY)
        heir.newest()
        before = names(tmp_path)
        with pytest.raises(OSError, match="taken the checkpoints over") as caught:
            zombie.write(checkpoint(50))
        assert caught.value.errno == errno.ESTALE
        assert names(tmp_path) == before
        heir.write(checkpoint(1))
        assert_found(tmp_path, 1)

    def test_is_refused_in_the_middle_of_writing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zombie, heir = CheckpointStore(tmp_path, KEY), CheckpointStore(tmp_path, KEY)
        zombie.write(checkpoint(40))

        def interrupted(*args: Any) -> None:
            monkeypatch.setattr(store, "write_checkpoint", write_checkpoint)
            write_checkpoint(*args)
            assert heir.newest() is not None

        monkeypatch.setattr(store, "write_checkpoint", interrupted)
        with pytest.raises(OSError, match="taken the checkpoints over"):
            zombie.write(checkpoint(50))
        assert_found(tmp_path, 40)

    def test_that_is_ahead_ranks_below(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between its look at the folder and its rename, others may do anything."""
        zombie, heir = CheckpointStore(tmp_path, KEY), CheckpointStore(tmp_path, KEY)
        zombie.write(checkpoint(40))
        rename = Path.rename

        def late_rename(source: Path, target: Path) -> Path:
            monkeypatch.setattr(Path, "rename", rename)
            written = source.read_bytes()
            assert heir.newest() is not None
            heir.write(checkpoint(41, loss=0.2))  # removes the zombie's unfinished file
            source.write_bytes(written)
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", late_rename)
        zombie.write(checkpoint(50))
        assert "000001-000000050.checkpoint" in names(tmp_path)
        assert_found(tmp_path, 41, loss=0.2)

    def test_that_is_late_takes_nothing_from_its_heir(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zombie, heir = CheckpointStore(tmp_path, KEY), CheckpointStore(tmp_path, KEY)
        zombie.write(checkpoint(40))
        rename = Path.rename

        def late_rename(source: Path, target: Path) -> Path:
            monkeypatch.setattr(Path, "rename", rename)
            assert heir.newest() is not None  # it has not written yet
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", late_rename)
        zombie.write(checkpoint(50))
        heir.write(checkpoint(41, loss=0.2))
        assert_found(tmp_path, 41, loss=0.2)

    def test_two_that_start_at_once_have_terms_of_their_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, other = CheckpointStore(tmp_path, KEY), CheckpointStore(tmp_path, KEY)
        touch = Path.touch

        def late_touch(path: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
            monkeypatch.setattr(Path, "touch", touch)
            other.newest()
            touch(path, mode, exist_ok)

        monkeypatch.setattr(Path, "touch", late_touch)
        one.newest()
        assert names(tmp_path) == ["000001.history", "000002.history"]
        one.write(checkpoint(1))
        with pytest.raises(OSError, match="taken the checkpoints over"):
            other.write(checkpoint(1))


def test_the_folder_may_vanish(tmp_path: Path) -> None:
    """The job has ended meanwhile."""
    folder = tmp_path / "folder"
    folder.mkdir()
    kept = CheckpointStore(folder, KEY)
    kept.newest()
    (folder / "000001.history").unlink()
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        kept.write(checkpoint(1))
    assert not folder.exists()


def test_many_epochs_cost_a_checkpoint_nothing(tmp_path: Path) -> None:
    kept = CheckpointStore(tmp_path, KEY)
    many = rows(5000)
    kept.write(Checkpoint(5000, {}, {}, many))
    size = (tmp_path / "000001.history").stat().st_size
    many += rows(5001, start=5001)
    kept.write(Checkpoint(5001, {}, {}, many))
    assert 0 < (tmp_path / "000001.history").stat().st_size - size < 1000
    assert all(path.stat().st_size < 1000 for path in checkpoints(tmp_path))


def test_the_fingerprint_follows_spec_and_software(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("{}")
    assert before == fingerprint("{}")
    assert before != fingerprint("[]")
    monkeypatch.setattr(store, "version", lambda name: "0.0")
    assert before != fingerprint("{}")
