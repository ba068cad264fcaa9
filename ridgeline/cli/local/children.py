"""Child processes with a log file each, which are stopped together and never outlive the parent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LAUNCH = Path(__file__).with_name("scripts") / "launch.py"
POLL_S = 0.02
#: A log that has grown past this is set aside when its process is started again.
MAX_LOG_BYTES = 10 * 2**20
_BESIDE = ("event", "level", "logger", "timestamp")


class Child:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches only the parent.

    Create it in the main thread: the kernel kills it when the thread that started it ends.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        _set_aside(log)
        self._log_start = log.stat().st_size if log.exists() else 0
        launched = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), *command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launched,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is its group's as well."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended (minus the signal's number if by one), or None while it runs.

        What it left behind in its group is ended when its end is first noticed: later the number
        may be another group's.
        """
        noticed = self._process.returncode is not None
        status = self._process.poll()
        if status is not None and not noticed:
            self._kill_group()
        return status

    def terminate(self) -> None:
        """Ask the process to end; it ends those it started."""
        if self.exit_status is None:
            self._process.terminate()

    def kill(self) -> None:
        """End the process and its group, at once."""
        if self.exit_status is None:
            self._kill_group()
            self._process.wait()

    def log_text(self) -> str:
        """What it has logged since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_words(self, lines: int = 15) -> str:
        """The last lines of its log, for an error message: of a JSON object what people need."""
        said = "\n".join(map(_plain, self.log_text().splitlines()))
        return "\n".join(f"  | {line}" for line in said.splitlines()[-lines:])

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def stop_all(
    children: Sequence[Child], *, grace_s: float, hurried: Callable[[], bool] = lambda: False
) -> None:
    """Ask all `children` to end; after `grace_s`, or once `hurried` says so, kill what is left."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + grace_s
    while any(child.exit_status is None for child in children):
        if time.monotonic() > deadline or hurried():
            break
        time.sleep(POLL_S)
    for child in children:
        child.kill()


def _plain(line: str) -> str:
    try:
        said = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or "event" not in said:
        return line
    details = (f"{name}: {said[name]}" for name in said if name not in _BESIDE)
    return "\n".join((str(said["event"]), *details))


def _set_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
