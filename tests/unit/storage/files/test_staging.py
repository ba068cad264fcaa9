"""A staged file is kept while its process lives, and deleted afterwards."""

import errno
import fcntl
import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from ridgeline.storage.files import staging
from ridgeline.storage.files.datasets import LocalDatasetFiles, dataset_key, staged

ROOT = Path(__file__).parents[4]
MAKER = (
    "import sys; from pathlib import Path; from ridgeline.storage.files.datasets import staged\n"
    "with staged(Path(sys.argv[1])) as path:\n"
    "    path.write_bytes(b'half'); print(path, flush=True); sys.stdin.read()"
)


@pytest.fixture
def files(tmp_path: Path) -> LocalDatasetFiles:
    return LocalDatasetFiles(tmp_path)


def names(files: LocalDatasetFiles) -> list[Path]:
    return sorted(files.staging().iterdir())


def test_staged_file_is_deleted_after_its_block(files: LocalDatasetFiles) -> None:
    with staged(files.staging()) as path:
        assert names(files) == [path]
    assert names(files) == []


def test_locked_file_is_kept(files: LocalDatasetFiles) -> None:
    with staged(files.staging()) as path:
        files.clear_abandoned()
        assert names(files) == [path]


def test_file_of_a_killed_process_is_deleted(files: LocalDatasetFiles) -> None:
    command = [sys.executable, "-c", MAKER, str(files.staging())]
    maker = Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
    with maker, staged(files.staging()) as own:
        assert maker.stdout is not None
        path = Path(maker.stdout.readline().strip())
        files.clear_abandoned()
        assert names(files) == sorted([path, own])
        maker.kill()
        maker.wait()
        files.clear_abandoned()
        assert names(files) == [own]


def test_file_inherited_by_a_child_is_kept(
    files: LocalDatasetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child forked without exec may keep writing after its parent has died."""
    inherited: list[int] = []
    flock = fcntl.flock

    def also_inherited(descriptor: int, how: int) -> None:
        flock(descriptor, how)
        inherited.append(os.dup(descriptor))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", also_inherited)
        maker = staged(files.staging())
        path = maker.__enter__()
    kept = path.with_name("kept")
    path.rename(kept)
    maker.__exit__(None, None, None)  # as if it had died: its file is there
    kept.rename(path)
    files.clear_abandoned()
    assert names(files) == [path]
    os.close(inherited[0])
    files.clear_abandoned()
    assert names(files) == []


@pytest.mark.parametrize(
    "name",
    [
        "tmp8a_3k2xy",  # between its making and its lock
        "0c1f4b52-6a1c-4b5e-9d0f-1f2e3d4c5b6a.tmp8a_3k2xy",  # another machine, or an earlier start
        ".hidden",
    ],
)
def test_file_of_another_machine_is_kept(files: LocalDatasetFiles, name: str) -> None:
    (files.staging() / name).write_bytes(b"half")
    files.clear_abandoned()
    assert [path.name for path in names(files)] == [name]
    os.utime(files.staging() / name, (1, 1))
    files.clear_staging(before=1000)
    assert names(files) == []


def test_file_without_lock_or_boot_id_is_kept(
    files: LocalDatasetFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", no_locks)
        with staged(files.staging()) as path:
            patch.undo()
            files.clear_abandoned()
            assert names(files) == [path]
    with monkeypatch.context() as patch:
        patch.setattr(staging, "_BOOT_ID_FILE", tmp_path / "none")
        staging._boot_id.cache_clear()
        (files.staging() / ".hidden").touch()
        with staged(files.staging()):
            files.clear_abandoned()
            assert len(names(files)) == 2
    staging._boot_id.cache_clear()


def test_stored_file_is_never_deleted(files: LocalDatasetFiles) -> None:
    key = dataset_key("0" * 64)
    with staged(files.staging()) as path:
        path.write_bytes(b"whole")
        files.store(path, key)
        files.clear_abandoned()
    files.clear_abandoned()
    assert files.size(key) == 5
