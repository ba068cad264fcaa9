"""`ridgeline up` around a service and a worker of a few lines each: quick, and easy to break."""

import contextlib
import json
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.e2e.conftest import poll

if TYPE_CHECKING:
    from tests.e2e.conftest import Command, Run

pytestmark = pytest.mark.servers

SERVICE = """
import http.server, os, socket, sys
print("fake API, redis at", os.environ["RIDGELINE_REDIS_URL"], flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
    def do_POST(self):
        print("the API breaks now", flush=True)
        os._exit(3)
    def log_message(self, *arguments):
        pass
address = os.environ["RIDGELINE_HOST"], int(os.environ["RIDGELINE_PORT"])
http.server.HTTPServer(address, Answer).serve_forever()
"""
WORKER = """
import os, signal, subprocess, sys, time
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("fake worker: trainers_warm", flush=True)
time.sleep(600)
"""


@pytest.fixture
def fakes(tmp_path: Path) -> str:
    """A PYTHONPATH on which `service` and `worker` are fakes."""
    for package, code in (("service", SERVICE), ("worker", WORKER)):
        folder = tmp_path / "fakes" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "__main__.py").write_text(code)
    return os.pathsep.join([str(tmp_path / "fakes"), str(Path(__file__).parents[2])])


def _url(output: str) -> str:
    return next(word for word in output.split() if word.startswith("http://"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_answers_and_stops_in_order(
    run: "Run", fakes: str, tmp_path: Path, number: signal.Signals
) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    output = up.says("takes jobs")
    assert httpx.get(f"{_url(output)}/healthz", trust_env=False).status_code == 200
    assert len(up.descendants()) == 4  # Redis, API, worker, and what the worker started
    up.signal(number)
    assert up.exit_status() == 0, up.output
    assert up.nothing_left()
    assert list((tmp_path / "t").iterdir()) == []
    assert (tmp_path / ".ridgeline" / "logs" / "redis.log").stat().st_size > 0


def test_a_script_is_told_where_it_is(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--json", "--port", "0", PYTHONPATH=fakes)
    told = json.loads(up.says("takes jobs").splitlines()[0])
    assert httpx.get(f"{told['url']}/healthz", trust_env=False).status_code == 200
    home = tmp_path / ".ridgeline"
    assert told == {"url": told["url"], "home": str(home), "logs": str(home / "logs")}


def test_what_is_set_needs_no_option(run: "Run", fakes: str, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    environment = {
        "RIDGELINE_HOME": str(home),
        "RIDGELINE_PORT": "0",
        "RIDGELINE_HOST": "127.0.0.2",
    }
    up = run("up", "--json", PYTHONPATH=fakes, **environment)
    told = json.loads(up.says("takes jobs").splitlines()[0])
    assert told["home"] == str(home)
    assert told["url"].startswith("http://127.0.0.2:")


def test_redis_has_a_private_socket_and_no_port(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    up.says("takes jobs")
    (folder,) = (tmp_path / "t").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "redis.sock").is_socket()
    (redis,) = [child for child in up.descendants() if "redis" in child.name()]
    assert redis.net_connections("inet") == []
    log = (tmp_path / ".ridgeline" / "logs" / "api.log").read_text()
    assert f"redis+socket://{folder}/redis.sock" in log


def test_a_named_redis_is_used_and_none_is_started(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes, RIDGELINE_REDIS_URL="redis://elsewhere/0")
    up.says("takes jobs")
    assert not [child for child in up.descendants() if "redis" in child.name()]
    assert "redis://elsewhere/0" in (tmp_path / ".ridgeline" / "logs" / "api.log").read_text()


def _break(url: str) -> None:
    with contextlib.suppress(httpx.TransportError):
        httpx.post(url, trust_env=False)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    return False


@pytest.mark.parametrize("name", ["redis", "worker", "API"])
def test_what_dies_is_started_again(run: "Run", fakes: str, name: str) -> None:
    """A night's jobs must not wait until somebody looks: not for Redis, nor for anything."""
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    url = _url(up.says("takes jobs"))
    parts = {"redis": "redis.sock", "worker": "worker", "API": "service"}
    poll("the part", 20, lambda: _running(up, parts[name])).kill()
    up.says(f"{name} ended with status -9 and is started again")
    poll("the new one", 20, lambda: _running(up, parts[name]))
    poll("the API to answer", 20, lambda: _answers(url))
    poll("all to be there", 20, lambda: len(up.descendants()) == 4)
    up.signal(signal.SIGINT)
    assert up.exit_status() == 0, up.output
    assert up.nothing_left()


def _running(up: "Command", word: str) -> psutil.Process | None:
    """The child whose command ends so."""
    for child in up.descendants():
        with contextlib.suppress(psutil.NoSuchProcess):
            command = [each.strip() for each in child.cmdline() if each.strip()]
            if child.ppid() == up.process.pid and command[-1].endswith(word):
                return child
    return None


def test_a_child_that_dies_again_and_again_stops_everything(run: "Run", fakes: str) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    url = _url(up.says("takes jobs"))
    for _ in range(2):
        _break(url)
        poll("the API to answer again", 20, lambda: _answers(url))
    _break(url)
    assert up.exit_status() == 1
    assert "API ended with status 3" in up.output
    assert "| the API breaks now" in up.output
    assert up.nothing_left()


def test_a_worker_that_does_not_end_is_killed_when_asked_twice(run: "Run", fakes: str) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes, STUBBORN="1")
    up.says("takes jobs")
    up.signal(signal.SIGINT)
    up.says("Stopping")
    up.signal(signal.SIGINT)
    assert up.exit_status(seconds=15) == 0
    assert up.nothing_left()


def test_sigkill_takes_the_children_along(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    up.says("takes jobs")
    direct = [child for child in up.descendants() if child.ppid() == up.process.pid]
    assert len(direct) == 3
    up.seen = set(direct)  # What the fake worker started is the fake's to look after.
    up.process.kill()
    assert up.nothing_left()
    (left_behind,) = (tmp_path / "t").iterdir()
    again = run("up", "--port", "0", PYTHONPATH=fakes)
    again.says("takes jobs")
    assert not left_behind.exists()


def test_a_second_one_on_the_same_home_is_refused(run: "Run", fakes: str) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    url = _url(up.says("takes jobs"))
    second = run("up", "--port", "0", PYTHONPATH=fakes)
    assert second.exit_status() == 1
    assert f"process {up.process.pid}" in second.output
    assert url in second.output
    assert "--home" in second.output


def test_a_taken_port_is_said_before_anything_starts(
    run: "Run", fakes: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = run("up", "--port", str(port), PYTHONPATH=fakes)
        assert up.exit_status() == 1
    assert f"port {port} of 127.0.0.1 is taken" in up.output
    assert "--port" in up.output
    assert list((tmp_path / ".ridgeline" / "logs").iterdir()) == []
    assert list((tmp_path / "t").iterdir()) == []
