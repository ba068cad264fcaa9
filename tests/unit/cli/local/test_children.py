"""Child processes: their logs and their ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ridgeline.cli.local import children
from ridgeline.cli.local.children import Child, stop_all

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""
#: Starts a child and prints its id; the test then kills this parent without a chance to clean up.
PARENT = """
import os, sys, time
from pathlib import Path
from ridgeline.cli.local.children import Child
log = Path(sys.argv[1])
child = Child("child", [sys.executable, "-c", "import time; time.sleep(600)"], log=log,
              environment=os.environ)
print(child.pid, flush=True)
time.sleep(600)
"""


def _until(ready: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _python(code: str, log: Path) -> Child:
    return Child("child", [sys.executable, "-c", code], log=log, environment=os.environ)


def test_last_log_lines_come_from_the_current_start(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("of an earlier start\n")
    child = _python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", log)
    _until(lambda: child.exit_status is not None)
    assert child.exit_status == 3
    assert sorted(child.log_text().split()) == ["err", "out"]
    assert child.last_words(lines=1) in ("  | out", "  | err")
    assert log.read_text().startswith("of an earlier start\n")


def test_last_log_lines_are_readable(tmp_path: Path) -> None:
    lines = [
        {"event": "Started.", "level": "info", "timestamp": "2026"},
        {"event": "cannot_start", "because": 'wrong "URL"', "logger": "x"},
        ["no object"],
        {"no": "event"},
    ]
    log = "\n".join([*map(json.dumps, lines), "{broken", "plain"])
    child = _python(f"print({log!r})", tmp_path / "child.log")
    _until(lambda: child.exit_status is not None)
    assert child.last_words().splitlines() == [
        "  | Started.",
        "  | cannot_start",
        '  | because: wrong "URL"',
        '  | ["no object"]',
        '  | {"no": "event"}',
        "  | {broken",
        "  | plain",
    ]
    assert child.last_words(lines=2).splitlines() == ["  | {broken", "  | plain"]


def test_long_log_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "MAX_LOG_BYTES", 10)
    (tmp_path / "child.log").write_text("x" * 11)
    child = _python("print('new')", tmp_path / "child.log")
    _until(lambda: child.exit_status is not None)
    assert (tmp_path / "child.log").read_text() == "new\n"
    assert (tmp_path / "child.log.1").read_text() == "x" * 11


def test_child_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    child = _python(STUBBORN, tmp_path / "child.log")
    _until(lambda: "ready" in child.log_text())
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children()]
    assert len(family) == 2
    stop_all([child], grace_s=0.1)
    assert child.exit_status == -signal.SIGKILL
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_children_of_a_crashed_child_are_killed(tmp_path: Path) -> None:
    child = _python(STUBBORN, tmp_path / "child.log")
    _until(lambda: "ready" in child.log_text())
    family = psutil.Process(child.pid).children()
    psutil.Process(child.pid).kill()
    _until(lambda: child.exit_status == -signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_stop_returns_once_the_child_has_exited(tmp_path: Path) -> None:
    child = _python("print('ready', flush=True); import time; time.sleep(600)", tmp_path / "log")
    _until(lambda: "ready" in child.log_text())
    started = time.monotonic()
    stop_all([child], grace_s=60)
    assert child.exit_status == -signal.SIGTERM
    assert time.monotonic() - started < 30


def test_child_gets_no_signals_from_the_terminal(tmp_path: Path) -> None:
    child = _python("import time; time.sleep(600)", tmp_path / "log")
    assert os.getsid(child.pid) == child.pid
    stop_all([child], grace_s=10)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child when its parent dies")
def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        _until(lambda: "launch.py" not in " ".join(child.cmdline()))
        parent.kill()
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_child_of_a_dead_parent_never_starts(tmp_path: Path) -> None:
    other = subprocess.run(["/bin/sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    flag = tmp_path / "started"
    launched = [sys.executable, "-I", "-S", str(children.LAUNCH), other.stdout.strip()]
    result = subprocess.run([*launched, "/usr/bin/touch", str(flag)], check=False)
    assert result.returncode == 1
    assert not flag.exists()
