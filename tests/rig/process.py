"""A server process that a test can kill, stop, freeze and restart."""

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
    """A server was not ready, or a condition not met, in time."""


class Process:
    """One server process; start() starts it, always on the same port."""

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
        """Its process id, also after its exit."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process exists, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def responds(self) -> bool:
        """Whether the server is ready; subclasses send a request."""
        return self.running

    def start(self) -> None:
        """Start it if it is not running, and wait until it responds."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it if it is not running, without waiting."""
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
                start_new_session=True,  # Ctrl-C in the terminal reaches only the test
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
            )

    def wait_ready(self, seconds: float = START_S) -> None:
        """Wait until it responds; raises NotReady with the end of its log."""

        def ready() -> bool:
            if not self.running:
                raise NotReady(f"{self.name} has exited:\n{self.log_tail()}")
            return self.responds()

        try:
            poll(f"{self.name} to respond", ready, seconds)
        except NotReady as error:
            raise NotReady(f"{error}\n{self.log_tail()}") from error

    def terminate(self) -> None:
        """Send SIGTERM without waiting."""
        self.send(signal.SIGTERM)

    def stop(self, seconds: float = STOP_S) -> int:
        """Terminate it, wait for its exit and return its status."""
        self.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = STOP_S) -> int:
        """Wait for its exit and return its status; raises NotReady."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotReady(f"{self.name} did not exit within {seconds:g} s") from None

    def kill(self) -> None:
        """Kill it with SIGKILL, but not the processes it started."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOP_S)

    def freeze(self) -> None:
        """Suspend it (SIGSTOP), but not the processes it started."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it (SIGCONT)."""
        self.send(signal.SIGCONT)

    def descendants(self) -> list[psutil.Process]:
        """Its running descendants."""
        running: list[psutil.Process] = []
        if self.running:
            with suppress(psutil.NoSuchProcess):
                running = psutil.Process(self.pid).children(recursive=True)
        self._seen.update(running)
        return running

    def close(self) -> None:
        """Kill it and every descendant ever seen, whatever their state."""
        self.descendants()
        self.kill()
        kill_all(self._seen)
        self._seen.clear()

    def log_text(self) -> str:
        """Its log, across all restarts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self) -> str:
        """The end of its log, for a failure message."""
        return "\n".join(f"  | {line}" for line in self.log_text().splitlines()[-_LAST_LINES:])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal if it is running."""
        self.descendants()  # remembers them before they lose their parent
        if self._process is not None and self.running:
            self._process.send_signal(number)


def files_in(folder: Path) -> list[Path]:
    """Every file below the folder, in order; other processes may delete some of it meanwhile."""
    return sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)


def poll(what: str, ready: Callable[[], Any], seconds: float, every_s: float = POLL_S) -> Any:
    """Call `ready` until it returns a true value, and return that; raises NotReady."""
    until = time.monotonic() + seconds
    while True:
        if value := ready():
            return value
        if time.monotonic() >= until:
            raise NotReady(f"{what}: not within {seconds:g} s")
        time.sleep(every_s)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes, not necessarily children of this one, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()  # psutil compares the start time, so a reused pid is safe
    poll("the killed processes to exit", lambda: not any(map(alive, processes)), STOP_S)


def alive(process: psutil.Process) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """A free port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def base_environment() -> dict[str, str]:
    """The environment of this process without RIDGELINE_* variables."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
    # As in an installation: compiling every module at every start takes seconds.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(ROOT)}
