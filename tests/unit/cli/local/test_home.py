"""The home folder and its lock."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from ridgeline.cli.errors import StartError
from ridgeline.cli.local.home import Home


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_second_holder_is_rejected_with_the_first_ones_address(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        home.announce("http://127.0.0.1:8123")
        with pytest.raises(StartError) as caught, Home(tmp_path / "home"):
            pass
        assert str(os.getpid()) in str(caught.value)
        assert "http://127.0.0.1:8123" in str(caught.value)
    with Home(tmp_path / "home"):
        pass


def test_socket_folder_is_private_and_removed_on_exit(tmp_path: Path, temporary: Path) -> None:
    with Home(tmp_path / "home") as home:
        assert home.sockets.parent == temporary
        assert stat.S_IMODE(home.sockets.stat().st_mode) == 0o700
    assert list(temporary.iterdir()) == []


def test_socket_folder_of_a_killed_holder_is_removed(tmp_path: Path, temporary: Path) -> None:
    killed = Home(tmp_path / "home").__enter__()
    (killed.sockets / "redis.sock").touch()
    assert killed._lock is not None
    killed._lock.close()  # As the system does when a process dies.
    with Home(tmp_path / "home") as home:
        assert list(temporary.iterdir()) == [home.sockets]


@pytest.mark.parametrize("named", ["precious", "ridgeline-precious"])
def test_no_other_folder_is_removed(tmp_path: Path, named: str) -> None:
    """Not even one that the lock file names."""
    precious = tmp_path / named
    precious.mkdir()
    (precious / "thesis.txt").touch()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "up.lock").write_text(f'{{"sockets": "{precious}"}}')
    with Home(tmp_path / "home"):
        pass
    assert (precious / "thesis.txt").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sockets": 7}', "\x00"])
def test_damaged_lock_file_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "up.lock").write_text(text)
    with Home(tmp_path):
        pass


def test_home_that_is_not_writable_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"cannot write to the home folder .*--home"):
        Home(tmp_path / "file" / "home").__enter__()
