"""`ridgeline up` with a fake service and worker of a few lines, which are easy to break."""

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
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
    def do_POST(self):
        print("the API crashes now", flush=True)
        os._exit(3)
    def log_message(self, *arguments):
        pass
address = os.environ["RIDGELINE_HOST"], int(os.environ["RIDGELINE_PORT"])
http.server.HTTPServer(address, Handler).serve_forever()
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
def test_up_starts_responds_and_stops_cleanly(
    run: "Run", fakes: str, tmp_path: Path, number: signal.Signals
) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    output = up.wait_for_output("takes jobs")
    assert httpx.get(f"{_url(output)}/healthz", trust_env=False).status_code == 200
    assert len(up.descendants()) == 4  # Redis, API, worker and the child of the worker
    up.signal(number)
    assert up.exit_status() == 0, up.output
    assert up.nothing_left()
    assert list((tmp_path / "t").iterdir()) == []
    assert (tmp_path / ".ridgeline" / "logs" / "redis.log").stat().st_size > 0


def test_json_output_names_address_and_folders(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--json", "--port", "0", PYTHONPATH=fakes)
    document = json.loads(up.wait_for_output("takes jobs").splitlines()[0])
    url = document["url"]
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    home = tmp_path / ".ridgeline"
    assert document == {"url": url, "home": str(home), "logs": str(home / "logs")}


def test_environment_sets_home_host_and_port(run: "Run", fakes: str, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    environment = {
        "RIDGELINE_HOME": str(home),
        "RIDGELINE_PORT": "0",
        "RIDGELINE_HOST": "127.0.0.2",
    }
    up = run("up", "--json", PYTHONPATH=fakes, **environment)
    document = json.loads(up.wait_for_output("takes jobs").splitlines()[0])
    assert document["home"] == str(home)
    assert document["url"].startswith("http://127.0.0.2:")


def test_redis_has_a_private_socket_and_no_port(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    up.wait_for_output("takes jobs")
    (folder,) = (tmp_path / "t").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "redis.sock").is_socket()
    (redis,) = [child for child in up.descendants() if "redis" in child.name()]
    assert redis.net_connections("inet") == []
    log = (tmp_path / ".ridgeline" / "logs" / "api.log").read_text()
    assert f"redis+socket://{folder}/redis.sock" in log


def test_configured_redis_is_used_and_none_is_started(
    run: "Run", fakes: str, tmp_path: Path
) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes, RIDGELINE_REDIS_URL="redis://elsewhere/0")
    up.wait_for_output("takes jobs")
    assert not [child for child in up.descendants() if "redis" in child.name()]
    assert "redis://elsewhere/0" in (tmp_path / ".ridgeline" / "logs" / "api.log").read_text()


def test_up_without_a_redis_server_runs_without_a_broker(
    run: "Run", fakes: str, no_redis: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(no_redis), fakes])
    up = run("up", "--port", "0", PYTHONPATH=path, PATH=str(no_redis / "bin"))
    output = up.wait_for_output("takes jobs")
    (line,) = [line for line in output.splitlines() if line.startswith("broker ")]
    assert "found no redis-server" in line
    assert len(up.descendants()) == 3  # API, worker and the child of the worker
    log = (tmp_path / ".ridgeline" / "logs" / "api.log").read_text()
    assert "fake API, redis at none\n" in log
    up.signal(signal.SIGINT)
    assert up.exit_status() == 0, up.output
    assert up.nothing_left()


def test_json_document_comes_first_without_a_redis_server(
    run: "Run", fakes: str, no_redis: Path
) -> None:
    path = os.pathsep.join([str(no_redis), fakes])
    up = run("up", "--json", "--port", "0", PYTHONPATH=path, PATH=str(no_redis / "bin"))
    document, *others = up.wait_for_output("takes jobs").splitlines()
    assert json.loads(document)["url"].startswith("http://127.0.0.1:")
    assert "found no redis-server" in "".join(others)


def _break(url: str) -> None:
    with contextlib.suppress(httpx.TransportError):
        httpx.post(url, trust_env=False)


def _responds(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    return False


@pytest.mark.parametrize("name", ["redis", "worker", "API"])
def test_process_that_dies_is_restarted(run: "Run", fakes: str, name: str) -> None:
    """Jobs that run overnight must not wait for an operator."""
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    url = _url(up.wait_for_output("takes jobs"))
    parts = {"redis": "redis.sock", "worker": "worker", "API": "service"}
    poll("the process", 20, lambda: _running(up, parts[name])).kill()
    up.wait_for_output(f"{name} exited with status -9; restarting it")
    poll("the new one", 20, lambda: _running(up, parts[name]))
    poll("the API to respond", 20, lambda: _responds(url))
    poll("all processes", 20, lambda: len(up.descendants()) == 4)
    up.signal(signal.SIGINT)
    assert up.exit_status() == 0, up.output
    assert up.nothing_left()


def _running(up: "Command", word: str) -> psutil.Process | None:
    """The child whose command ends with `word`."""
    for child in up.descendants():
        with contextlib.suppress(psutil.NoSuchProcess):
            command = [part.strip() for part in child.cmdline() if part.strip()]
            if child.ppid() == up.process.pid and command[-1].endswith(word):
                return child
    return None


def test_process_that_keeps_dying_stops_everything(run: "Run", fakes: str) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    url = _url(up.wait_for_output("takes jobs"))
    for _ in range(2):
        _break(url)
        poll("the API to respond again", 20, lambda: _responds(url))
    _break(url)
    assert up.exit_status() == 1
    assert "API exited with status 3" in up.output
    assert "| the API crashes now" in up.output
    assert up.nothing_left()


def test_second_ctrl_c_kills_a_worker_that_ignores_sigterm(run: "Run", fakes: str) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes, STUBBORN="1")
    up.wait_for_output("takes jobs")
    up.signal(signal.SIGINT)
    up.wait_for_output("Stopping")
    up.signal(signal.SIGINT)
    assert up.exit_status(seconds=15) == 0
    assert up.nothing_left()


def test_sigkill_kills_the_children_too(run: "Run", fakes: str, tmp_path: Path) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    up.wait_for_output("takes jobs")
    direct = [child for child in up.descendants() if child.ppid() == up.process.pid]
    assert len(direct) == 3
    up.seen = set(direct)  # Only a real worker ends its own children.
    up.process.kill()
    assert up.nothing_left()
    (stale,) = (tmp_path / "t").iterdir()
    again = run("up", "--port", "0", PYTHONPATH=fakes)
    again.wait_for_output("takes jobs")
    assert not stale.exists()


def test_second_up_on_the_same_home_is_rejected(run: "Run", fakes: str) -> None:
    up = run("up", "--port", "0", PYTHONPATH=fakes)
    url = _url(up.wait_for_output("takes jobs"))
    second = run("up", "--port", "0", PYTHONPATH=fakes)
    assert second.exit_status() == 1
    assert f"process {up.process.pid}" in second.output
    assert url in second.output
    assert "--home" in second.output


def test_port_in_use_is_reported_before_anything_starts(
    run: "Run", fakes: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = run("up", "--port", str(port), PYTHONPATH=fakes)
        assert up.exit_status() == 1
    assert f"port {port} of 127.0.0.1 is in use" in up.output
    assert "--port" in up.output
    assert list((tmp_path / ".ridgeline" / "logs").iterdir()) == []
    assert list((tmp_path / "t").iterdir()) == []
