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


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        home.announce("http://127.0.0.1:8123")
        with pytest.raises(StartError) as caught, Home(tmp_path / "home"):
            pass
        assert str(os.getpid()) in str(caught.value)
        assert "http://127.0.0.1:8123" in str(caught.value)
    with Home(tmp_path / "home"):
        pass


def test_the_socket_folder_is_private_and_goes(tmp_path: Path, temporary: Path) -> None:
    with Home(tmp_path / "home") as home:
        assert home.sockets.parent == temporary
        assert stat.S_IMODE(home.sockets.stat().st_mode) == 0o700
    assert list(temporary.iterdir()) == []


def test_what_a_killed_holder_left_is_removed(tmp_path: Path, temporary: Path) -> None:
    killed = Home(tmp_path / "home").__enter__()
    (killed.sockets / "redis.sock").touch()
    assert killed._lock is not None
    killed._lock.close()  # As the system does it for a process that dies.
    with Home(tmp_path / "home") as home:
        assert list(temporary.iterdir()) == [home.sockets]


@pytest.mark.parametrize("named", ["precious", "ridgeline-precious"])
def test_nothing_else_is_removed(tmp_path: Path, named: str) -> None:
    """Not even if somebody writes it into the lock file."""
    precious = tmp_path / named
    precious.mkdir()
    (precious / "thesis.txt").touch()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "up.lock").write_text(f'{{"sockets": "{precious}"}}')
    with Home(tmp_path / "home"):
        pass
    assert (precious / "thesis.txt").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sockets": 7}', "\x00"])
def test_a_damaged_lock_file_does_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / "up.lock").write_text(text)
    with Home(tmp_path):
        pass


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"cannot write to the home folder .*--home"):
        Home(tmp_path / "file" / "home").__enter__()
