"""Child processes, each with a log file, that stop together and never outlive the parent."""

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
#: A larger log is rotated when its process is restarted.
MAX_LOG_BYTES = 10 * 2**20
_OMITTED = ("event", "level", "logger", "timestamp")


class Child:
    """A process in its own session, so that Ctrl-C in the terminal reaches only the parent.

    Create it in the main thread: the kernel kills it when the thread that started it exits.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        _rotate(log)
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
        """The process id, which is also its group's."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status (minus the signal's number if killed by one), or None while it runs.

        The first call after the exit kills what remains of its group: later the number may belong
        to another group.
        """
        noticed = self._process.returncode is not None
        status = self._process.poll()
        if status is not None and not noticed:
            self._kill_group()
        return status

    def terminate(self) -> None:
        """Send SIGTERM to the process, which stops the processes that it has started."""
        if self.exit_status is None:
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process and its group."""
        if self.exit_status is None:
            self._kill_group()
            self._process.wait()

    def log_text(self) -> str:
        """Return what it has logged since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_words(self, lines: int = 15) -> str:
        """Return the last lines of its log for an error message, with JSON made readable."""
        text = "\n".join(map(_plain, self.log_text().splitlines()))
        return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def stop_all(
    children: Sequence[Child], *, grace_s: float, hurried: Callable[[], bool] = lambda: False
) -> None:
    """Send SIGTERM to all `children`; after `grace_s`, or once `hurried` is true, kill the rest."""
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
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    details = (f"{name}: {entry[name]}" for name in entry if name not in _OMITTED)
    return "\n".join((str(entry["event"]), *details))


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
