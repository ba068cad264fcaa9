"""The folder where an embedded Ridgeline keeps its data, held by one process at a time."""

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
    """Holds the home folder for this process, and gives it a private folder for sockets.

    As a context manager: both go when the block ends. If the process is killed the lock goes with
    it, and the next holder removes the socket folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.sockets = Path()
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        lock = self._open()
        held = _read(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StartError(self._taken(held)) from None
        self._lock = lock
        _remove_left_behind(held.get("sockets"))
        # mkdtemp's folders are entered by their owner alone, and short enough for a socket's path.
        self.sockets = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.announce("an address not known yet")
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is None:
            return
        shutil.rmtree(self.sockets, ignore_errors=True)
        # The file stays: were it removed, two processes could lock two files of one name.
        _write(self._lock, {})
        self._lock.close()
        self._lock = None

    def announce(self, url: str) -> None:
        """Write down who holds the folder and serves at `url`, for whoever else asks for it."""
        if self._lock is not None:
            held = {"pid": os.getpid(), "url": url, "sockets": str(self.sockets)}
            _write(self._lock, held)

    def _open(self) -> IO[str]:
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            return (self.path / "up.lock").open("a+")
        except OSError as error:
            raise StartError(
                f"cannot write to the home folder {self.path}: {error.strerror};"
                " choose another with --home"
            ) from error

    def _taken(self, held: dict[str, Any]) -> str:
        return (
            f"another Ridgeline (process {held.get('pid', 'unknown')}) uses the home folder"
            f" {self.path} and serves at {held.get('url', 'an unknown address')};"
            " stop it, or choose another folder with --home"
        )


def _read(lock: IO[str]) -> dict[str, Any]:
    lock.seek(0)
    try:
        held = json.load(lock)
    except ValueError:  # new, or just being written
        return {}
    return held if isinstance(held, dict) else {}


def _write(lock: IO[str], held: dict[str, Any]) -> None:
    lock.truncate(0)  # opened for appending, so what is written begins at the start again
    json.dump(held, lock)
    lock.flush()


def _remove_left_behind(sockets: object) -> None:
    """Remove the socket folder of a holder that was killed, and nothing else."""
    if not isinstance(sockets, str) or not Path(sockets).name.startswith(_PREFIX):
        return
    with contextlib.suppress(OSError):
        (Path(sockets) / "redis.sock").unlink(missing_ok=True)
        Path(sockets).rmdir()
