"""Every byte of every file of a checkpoint folder: damaged, it is noticed, or does not matter."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from ridgeline import failpoints
from ridgeline.api.curves import EpochRow
from ridgeline.failpoints import FAILPOINTS, switch_on
from worker.engine.checkpoint import Checkpoint, CheckpointStore

KEY = "key"
HISTORY = "000001.history"


def checkpoint(epoch: int) -> Checkpoint:
    arrays = {"kernel": np.full(3, epoch, np.float32), "step": np.array(epoch)}
    rows = [
        EpochRow(epoch=each, values={"loss": 1 / each}, penalty_by_layer={}, seconds=0.1)
        for each in range(1, epoch + 1)
    ]
    return Checkpoint(epoch, arrays, {"wait": epoch}, rows)


@pytest.fixture
def kept(tmp_path: Path) -> CheckpointStore:
    """A writer that has two generations in `folder`."""
    folder = tmp_path / "folder"
    folder.mkdir()
    kept = CheckpointStore(folder, KEY)
    kept.write(checkpoint(1))
    kept.write(checkpoint(2))
    return kept


@pytest.fixture
def folder(kept: CheckpointStore, tmp_path: Path) -> Path:
    return tmp_path / "folder"


def found(folder: Path) -> int:
    """The epoch the next attempt goes on from, whose every number is right; 0: from scratch."""
    with capture_logs() as logs:
        newest = CheckpointStore(folder, KEY).newest()
    for path in folder.glob("*.history"):  # each look is a writer of its own
        if path.name != HISTORY:
            path.unlink()
    passed_over = {log["file"] for log in logs}
    if newest is None:
        assert len(passed_over) == 2
        return 0
    assert len(passed_over) == 2 - newest.epoch
    expected = checkpoint(newest.epoch)
    assert newest.state == expected.state
    assert list(newest.rows) == expected.rows
    assert set(newest.arrays) == set(expected.arrays)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(newest.arrays[name], array)
    return newest.epoch


def flipped(content: bytes) -> Iterator[bytes]:
    for place in range(len(content)):
        wrong = bytearray(content)
        wrong[place] ^= 1 << place % 8
        yield bytes(wrong)


def cut(content: bytes) -> Iterator[bytes]:
    for length in range(len(content)):
        yield content[:length]


@pytest.mark.parametrize("damage", [flipped, cut])
@pytest.mark.parametrize(
    ("name", "otherwise"),
    [("000001-000000002.checkpoint", 1), ("000001-000000001.checkpoint", 2)],
)
def test_every_byte_of_a_checkpoint(
    folder: Path, name: str, otherwise: int, damage: Callable[[bytes], Iterator[bytes]]
) -> None:
    path = folder / name
    whole = path.read_bytes()
    for wrong in damage(whole):
        path.write_bytes(wrong)
        assert found(folder) == otherwise
    path.write_bytes(whole)
    assert found(folder) == 2


@pytest.mark.parametrize("damage", [flipped, cut])
def test_every_byte_of_the_history(
    folder: Path, damage: Callable[[bytes], Iterator[bytes]]
) -> None:
    """The first epoch's row belongs to both checkpoints, the second's to the newer one alone."""
    path = folder / HISTORY
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for place, wrong in enumerate(damage(whole)):
        path.write_bytes(wrong)
        assert found(folder) == (0 if place < first else 1)
    path.write_bytes(whole + b'{"epoch": 3, "torn')
    assert found(folder) == 2


@pytest.mark.parametrize("target", ["foreign", "absent", "itself", "."])
@pytest.mark.parametrize(("name", "otherwise"), [("000001-000000002.checkpoint", 1), (HISTORY, 0)])
def test_a_link_in_place_of_a_file(folder: Path, name: str, otherwise: int, target: str) -> None:
    path = folder / name
    foreign = folder / "foreign"
    foreign.write_bytes(bytes(1000))
    path.unlink()
    path.symlink_to(path if target == "itself" else folder / target)
    assert found(folder) == otherwise


@pytest.mark.parametrize(
    "name", [name for name in FAILPOINTS if name.startswith(("checkpoint.", "history."))]
)
def test_a_full_disk_at_every_step(
    kept: CheckpointStore, folder: Path, tmp_path: Path, name: str
) -> None:
    """The writer is told, and what was there before can be read; then it can write again."""
    if name == "checkpoint.taken_over":
        kept = CheckpointStore(folder, KEY)  # a writer that has a term passes it no more
    switch_on(f"{name}:enospc")
    try:
        with pytest.raises(OSError, match=os.strerror(28)):
            kept.write(checkpoint(3))
    finally:
        failpoints._armed = None
    seen = shutil.copytree(folder, tmp_path / "seen")  # a look takes the folder over
    newest = CheckpointStore(seen, KEY).newest()
    assert newest is not None
    behind = ("checkpoint.renamed", "checkpoint.folder_synced", "checkpoint.before_removal")
    assert newest.epoch == (3 if name in behind else 2)
    assert not list(folder.glob("*.tmp"))
    kept.write(checkpoint(4))
    assert len(list(folder.glob("*.checkpoint"))) == 2
    heir = CheckpointStore(folder, KEY)
    newest = heir.newest()
    assert newest is not None
    assert list(newest.rows) == checkpoint(4).rows
