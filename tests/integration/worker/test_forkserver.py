"""The forkserver with the real engine, and the processes that end with their worker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.worker.conftest import alive, eventually, new_job

ROOT = Path(__file__).parents[3]

#: Sends what a process forked from the forkserver has inherited.
REPORT = """
import json, os, sys
from pathlib import Path

def report(pipe):
    import tensorflow as tf
    from tensorflow.python.eager import context
    pipe.send_bytes(json.dumps({
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "devices_initialised": context.context()._initialized,
        "engine": "worker.engine.train" in sys.modules,
        "secrets": [name for name, value in os.environ.items() if "hunter2" in value],
    }).encode())
"""
ASK = """
from worker.trainer.forkserver import Forkserver
from worker.settings import forget_credentials
from report import report

forget_credentials()
forkserver = Forkserver()
forkserver.wait_until_warm()
context = forkserver.context
ours, theirs = context.Pipe()
process = context.Process(target=report, args=(theirs,))
process.start()
print(ours.recv_bytes().decode())
process.join()
"""
#: A supervisor with a trainer that never ends on its own.
SUPERVISE = """
import sys, time
from pathlib import Path
from tests.integration.worker import stub_engine
from worker.trainer.forkserver import Forkserver
from worker.trainer.child import Assignment
from worker.trainer.process import TrainerProcess

context = Forkserver(("tests.integration.worker.stub_engine",)).context
assignment = Assignment(sys.argv[1], Path(sys.argv[2]), {}, {})
with TrainerProcess(context, assignment, stub_engine.train) as trainer:
    (epoch,) = trainer.receive(30)
    print(*(int(epoch.row.values[name]) for name in ("pid", "helper")), flush=True)
    time.sleep(600)
"""


def test_trainers_inherit_the_engine_but_no_device_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text(REPORT)
    secrets = {
        "RIDGELINE_DATABASE_URL": "postgresql://user:hunter2@host/name",
        "RIDGELINE_REDIS_URL": "redis://:hunter2@host:6379/0",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "PGPASSWORD": "hunter2",
    }
    result = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment(tmp_path) | secrets,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
        timeout=100,
    )
    assert json.loads(result.stdout) == {
        "threads": 1,
        "devices_initialised": False,
        "engine": True,
        "secrets": [],
    }


def test_missing_module_in_the_forkserver_is_reported(tmp_path: Path) -> None:
    program = (
        "from worker.trainer.forkserver import Forkserver;"
        " Forkserver(['no_such']).wait_until_warm()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "The forkserver cannot import no_such" in ended.stderr


@pytest.mark.parametrize("behaviour", ["silent", "deaf"])
def test_trainer_ends_with_its_supervisor(tmp_path: Path, behaviour: str) -> None:
    """Even after kill -9, and with the process it has started."""
    with supervising(tmp_path, behaviour) as (supervisor, pids):
        assert all(alive(pid) for pid in pids)
        supervisor.kill()
        supervisor.wait()
        eventually(lambda: not any(alive(pid) for pid in pids), "the trainer's end")


@contextmanager
def supervising(folder: Path, behaviour: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    spec = new_job(name=behaviour).resolved
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, spec, str(folder)],
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    )
    pids: list[int] = []
    try:
        assert supervisor.stdout is not None
        pids = [pid for pid in map(int, supervisor.stdout.readline().split()) if pid]
        yield supervisor, pids
    finally:
        supervisor.kill()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        supervisor.communicate()


def environment(folder: Path) -> dict[str, str]:
    paths = [str(ROOT), str(folder)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
