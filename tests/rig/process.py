"""A server as a process that a test may kill, stop, freeze and start again."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[2]
START_S = 90.0
STOP_S = 40.0
POLL_S = 0.02
_LAST_LINES = 30


class NotReady(AssertionError):
    """A server did not come up, or something else did not happen in time."""


class Process:
    """One server; it is started by start(), on the same port each time."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.folder = folder
        self.environment = base_environment() | dict(environment or {})
        self.log = folder / f"{name}.log"
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its id, also after its end."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        """Whether it does its work; subclasses ask it."""
        return self.running

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, if it does not run, and wait for nothing."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal is the test's alone
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
            )

    def wait_ready(self, seconds: float = START_S) -> None:
        """Return once it answers; raises NotReady with its last words."""

        def ready() -> bool:
            if not self.running:
                raise NotReady(f"{self.name} has ended:\n{self.last_words()}")
            return self.answers()

        try:
            poll(f"{self.name} to answer", ready, seconds)
        except NotReady as error:
            raise NotReady(f"{error}\n{self.last_words()}") from error

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), and wait for nothing."""
        self.send(signal.SIGTERM)

    def stop(self, seconds: float = STOP_S) -> int:
        """Ask it to end and wait until it has; its exit status."""
        self.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = STOP_S) -> int:
        """Its exit status, once it has ended; raises NotReady."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotReady(f"{self.name} did not end within {seconds:g} s") from None

    def kill(self) -> None:
        """End it with SIGKILL, and nothing else with it: what it started is left to itself."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOP_S)

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP), but not what it has started."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.send(signal.SIGCONT)

    def descendants(self) -> list[psutil.Process]:
        """The processes it has started and that still run."""
        found: list[psutil.Process] = []
        if self.running:
            with suppress(psutil.NoSuchProcess):
                found = psutil.Process(self.pid).children(recursive=True)
        self._seen.update(found)
        return found

    def close(self) -> None:
        """End it and everything it was ever seen to start, whatever state they are in."""
        self.descendants()
        self.kill()
        kill_all(self._seen)
        self._seen.clear()

    def log_text(self) -> str:
        """What it has logged in all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        """The end of its log, for a failure's message."""
        return "\n".join(f"  | {line}" for line in self.log_text().splitlines()[-_LAST_LINES:])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        self.descendants()  # remembered: they lose their parent with it
        if self._process is not None and self.running:
            self._process.send_signal(number)


def poll(what: str, ready: Callable[[], Any], seconds: float, every_s: float = POLL_S) -> Any:
    """Ask until `ready` gives something true, and return that; raises NotReady."""
    until = time.monotonic() + seconds
    while True:
        if value := ready():
            return value
        if time.monotonic() >= until:
            raise NotReady(f"{what}: not within {seconds:g} s")
        time.sleep(every_s)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes that need not be this one's children, and return when they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()  # psutil knows a process by its start too, so never a stranger
    poll("the end of what was killed", lambda: not any(map(alive, processes)), STOP_S)


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that waits for its parent to take note of its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """A port of the loopback address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def base_environment() -> dict[str, str]:
    """This process's, without Ridgeline's own settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
    # Byte code is as an installation has it: compiling everything at each start takes seconds.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(ROOT)}
