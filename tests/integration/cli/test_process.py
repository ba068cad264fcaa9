"""The command as a process: exit codes, signals, pipes and terminals."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ridgeline.cli.errors import ExitCode
from tests.integration.cli.conftest import Ridgeline, train
from tests.integration.client.conftest import Worker
from tests.rig.api import Api

pytestmark = pytest.mark.servers

COMMAND = [sys.executable, "-m", "ridgeline.cli.main"]
CHECKOUT = Path(__file__).parents[3]
COLUMNS = 90
_ESCAPE = "\x1b"


def environment(api: Api, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS"}}
    own = {"PYTHONPATH": str(CHECKOUT), "RIDGELINE_URL": api.url, "TERM": "xterm-256color"}
    return kept | own | more


@contextmanager
def started(api: Api, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(api),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def on_a_terminal(api: Api, *arguments: str, **more: str) -> tuple[int, str]:
    """Run a command on a terminal; return its exit code and its output."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, COLUMNS))
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(api, **more),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        sent = b""
        try:
            while part := os.read(ours, 65536):
                sent += part
        except OSError:  # raised by Linux once the other end is closed
            pass
        finally:
            os.close(ours)
    return process.returncode, sent.decode().replace("\r\n", "\n")


def test_ctrl_c_stops_watching_and_not_the_job(
    api: Api, ridgeline: Ridgeline, submitted: Callable[..., str]
) -> None:
    job_id = submitted()
    with started(api, "watch", job_id) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(job_id)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert errors == (
        f"Stopped watching; the job continues. To resume: ridgeline watch {job_id[-8:]}\n"
    )
    assert ridgeline("show", job_id, "--json").json["status"] == "queued"


def test_log_is_followed_line_by_line(
    api: Api, submitted: Callable[..., str], worker: Worker
) -> None:
    """Each line is printed at once; the command ends with the job."""
    job_id = submitted()
    with started(api, "logs", job_id, "--follow") as process:
        assert process.stdout is not None
        assert "after=queued" in process.stdout.readline()
        claim = worker.claim(job_id)
        assert "after=running" in process.stdout.readline()
        worker.finish(claim)
        rest, errors = process.communicate(timeout=20)
    assert "after=succeeded" in rest
    assert (process.returncode, errors) == (ExitCode.OK, "")


def test_closed_pipe_ends_the_command_quietly(api: Api, submitted: Callable[..., str]) -> None:
    submitted()
    with started(api, "jobs", "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait(timeout=60) == ExitCode.BROKEN_PIPE
    assert errors == ""


class TestTerminal:
    def test_bar_and_colors(self, api: Api, submitted: Callable[..., str], worker: Worker) -> None:
        job_id = submitted()
        train(worker, job_id)
        code, sent = on_a_terminal(api, "watch", job_id)
        assert code == ExitCode.OK
        assert f"{_ESCAPE}[32msucceeded" in sent
        assert "/3 epochs" in sent
        assert sent.count("0.7500") >= 1

    def test_no_color(self, api: Api, submitted: Callable[..., str], worker: Worker) -> None:
        train(worker, submitted())
        code, sent = on_a_terminal(api, "curves", "@last", NO_COLOR="1")
        assert code == ExitCode.OK
        assert "• data_loss  × val_data_loss" in sent
        assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|9[0-7])[0-9;]*m", sent)

    def test_dumb_terminal_gets_no_control_characters(
        self, api: Api, submitted: Callable[..., str], worker: Worker
    ) -> None:
        job_id = submitted()
        train(worker, job_id)
        code, sent = on_a_terminal(api, "watch", job_id, TERM="dumb")
        assert code == ExitCode.OK
        assert _ESCAPE not in sent

    def test_lines_fit_the_terminal(
        self, api: Api, submitted: Callable[..., str], worker: Worker
    ) -> None:
        train(worker, submitted(f"name={'long ' * 19}"))
        _, sent = on_a_terminal(api, "show", "@last")
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent)
        widest = max(plain.splitlines(), key=len)
        assert len(widest) <= COLUMNS, widest
