"""The folder with the data of an embedded Ridgeline, locked by one process at a time."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Any, Self

from ridgeline.cli.errors import StartError

_PREFIX = "ridgeline-"


class Home:
    """Locks the home folder for this process and creates a private folder for sockets.

    A context manager: on exit the lock is released and the socket folder removed. If the process is
    killed, the lock is released too, and the next holder removes the socket folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.sockets = Path()
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        lock = self._open()
        holder = _read(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StartError(self._in_use(holder)) from None
        self._lock = lock
        _remove_stale(holder.get("sockets"))
        # mkdtemp's folders are private, and their paths short enough for a socket.
        self.sockets = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.announce("an address that is not known yet")
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is None:
            return
        shutil.rmtree(self.sockets, ignore_errors=True)
        # The file stays: without it, two processes could lock two files of the same name.
        _write(self._lock, {})
        self._lock.close()
        self._lock = None

    def announce(self, url: str) -> None:
        """Record in the lock file which process holds the folder, and that it serves at `url`."""
        if self._lock is not None:
            holder = {"pid": os.getpid(), "url": url, "sockets": str(self.sockets)}
            _write(self._lock, holder)

    def _open(self) -> IO[str]:
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            return (self.path / "up.lock").open("a+")
        except OSError as error:
            raise StartError(
                f"cannot write to the home folder {self.path}: {error.strerror};"
                " choose another with --home"
            ) from error

    def _in_use(self, holder: dict[str, Any]) -> str:
        return (
            f"another Ridgeline (process {holder.get('pid', 'unknown')}) uses the home folder"
            f" {self.path} and serves at {holder.get('url', 'an unknown address')};"
            " stop it or choose another folder with --home"
        )


def _read(lock: IO[str]) -> dict[str, Any]:
    lock.seek(0)
    try:
        holder = json.load(lock)
    except ValueError:  # a new file, or one that is being written
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(lock: IO[str], holder: dict[str, Any]) -> None:
    lock.truncate(0)  # opened for appending, so the next write starts at the beginning
    json.dump(holder, lock)
    lock.flush()


def _remove_stale(sockets: object) -> None:
    """Remove the socket folder of a holder that was killed, and nothing else."""
    if not isinstance(sockets, str) or not Path(sockets).name.startswith(_PREFIX):
        return
    with contextlib.suppress(OSError):
        (Path(sockets) / "redis.sock").unlink(missing_ok=True)
        Path(sockets).rmdir()
