"""The API as a process: quick to start, small, and quick to stop."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import Database, LeaseStore
from service.http.documentation import DIGITS, IRIS
from tests.integration.service.streams import ACCEPT, Follower

ROOT = Path(__file__).parents[3]
START_S = 30
MAX_BYTES = 150 * 2**20
SLACK_S = 2.0
"""How much longer a busy machine may take."""

pytestmark = pytest.mark.servers


class Api:
    """`python -m service` on a port that the system chose."""

    def __init__(self, home: Path, *command: str, **variables: str) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("RIDGELINE_")
        }
        environment |= {
            "RIDGELINE_HOME": str(home),
            "RIDGELINE_PORT": "0",
            "RIDGELINE_REDIS_URL": f"redis+socket://{home}/no-redis.sock",
            **variables,
        }
        self.process = subprocess.Popen(
            [sys.executable, *(command or ("-m", "service"))],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self.port = self._port()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _port(self) -> int:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if "running on http://127.0.0.1:" in line:
                return int(line.split("127.0.0.1:")[1].split()[0])
        raise AssertionError("".join(self.log))

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path)
    yield api
    api.close()


def test_the_process_is_small_and_loads_no_tensorflow(api: Api) -> None:
    with httpx.Client(base_url=api.url) as client:
        for _ in range(50):
            job_id = client.post("/jobs", json=DIGITS).json()["id"]
            client.get(f"/jobs/{job_id}")
        assert client.post("/jobs", json={}).status_code == 422
        client.get("/catalog")
        answer = client.get("/jobs")
    assert len(answer.json()["items"]) == 50
    assert "server" not in answer.headers
    process = psutil.Process(api.process.pid)
    assert process.memory_info().rss < MAX_BYTES
    mapped = "".join(each.path for each in process.memory_maps())
    assert "tensorflow" not in mapped
    assert "numpy" not in mapped


def test_the_log_is_json_and_has_every_transition(api: Api) -> None:
    """Uvicorn's lines as well as ours, and those of plain loggers."""
    job_id = httpx.post(f"{api.url}/jobs", json=IRIS).json()["id"]
    httpx.post(f"{api.url}/jobs/{job_id}/cancel")
    httpx.post(f"{api.url}/jobs/{job_id}/cancel")
    api.process.send_signal(signal.SIGTERM)
    api.process.wait(10)
    api.reader.join(10)
    lines = [json.loads(line) for line in api.log]
    assert {"event", "level", "timestamp"} <= set.intersection(*map(set, lines))
    names = ("job", "attempt", "fence", "before", "after", "reason")
    told = [[line[name] for name in names] for line in lines if line["event"] == "transition"]
    assert told == [
        [job_id, 0, 0, None, "queued", None],
        [job_id, 0, 0, "queued", "cancelled", "cancelled_by_user"],
    ]
    loggers = {line["logger"] for line in lines}
    assert {"uvicorn.error", "service.janitor"} <= loggers


def test_what_was_answered_under_load_survives_a_kill(api: Api, tmp_path: Path) -> None:
    """Eight clients post, so that jobs share transactions; the process is killed between two."""
    answered: list[str] = []
    enough = threading.Event()

    def post() -> None:
        with httpx.Client(base_url=api.url, trust_env=False) as client:
            try:
                while True:
                    answered.append(client.post("/jobs", json=IRIS).json()["id"])
                    if len(answered) >= 100:
                        enough.set()
            except httpx.TransportError:
                return

    clients = [threading.Thread(target=post) for _ in range(8)]
    for client in clients:
        client.start()
    assert enough.wait(30)
    api.process.kill()
    for client in clients:
        client.join()
    database = Database(f"sqlite:///{tmp_path}/ridgeline.db")
    with database.read() as connection:
        stored = set(connection.exec_driver_sql("SELECT id FROM jobs").scalars())
        hinted = set(connection.exec_driver_sql("SELECT job_id FROM outbox").scalars())
    database.close()
    assert set(answered) <= stored
    assert stored == hinted  # nothing went to a broker, and no job is without its hint


def test_killed_amid_an_upload_it_leaves_nothing_to_the_next(api: Api, tmp_path: Path) -> None:
    """The next process does not delete files that another one is still receiving."""
    lines = [b"%d,%d\n" % (number, number % 7) for number in range(200_000)]
    content = b"a,b\n" + b"".join(lines)
    half = len(content) // 2
    staging = tmp_path / "artifacts" / ".datasets" / "staging"

    def begin(port: int) -> http.client.HTTPConnection:
        held = len(list(staging.glob("*")))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.putrequest("POST", "/datasets")
        connection.putheader("Content-Type", "text/csv")
        connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content[:half])
        _wait_for(lambda: len([path for path in staging.glob("*") if _size(path)]) > held)
        return connection

    other = Api(tmp_path)
    with closing(other), closing(begin(api.port)), closing(begin(other.port)) as receiving:
        api.process.kill()
        api.process.wait()
        assert len(list(staging.iterdir())) == 2
        with closing(Api(tmp_path)):
            _wait_for(lambda: len(list(staging.iterdir())) < 2)
            receiving.send(content[half:])
            answer = receiving.getresponse()
            assert answer.status == 201, answer.read()
            assert json.loads(answer.read())["rows"] == len(lines)
    assert list(staging.iterdir()) == []


def test_a_body_that_is_too_large_gets_its_answer(api: Api) -> None:
    """Announced or not, the client can read the answer, and the connection stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    headers = {"Content-Type": "application/json"}
    for body in (b" " * 3_000_000, iter([b" " * 100_000] * 30)):
        connection.request(
            "POST", "/jobs", body=body, headers=headers, encode_chunked=not isinstance(body, bytes)
        )
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
        answer.read()
    connection.request("HEAD", "/catalog")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 1000
    connection.close()


def test_stopping_answers_long_polls(api: Api) -> None:
    with httpx.Client(base_url=api.url, timeout=60) as client:
        job_id = client.post("/jobs", json=IRIS).json()["id"]
        answers: list[httpx.Response] = []
        poll = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{api.url}/jobs/{job_id}?wait=60", timeout=60))
        )
        poll.start()
        connections_of_others = len(psutil.Process(api.process.pid).net_connections())
        process = psutil.Process(api.process.pid)
        _wait_for(lambda: len(process.net_connections()) >= max(3, connections_of_others))
        began = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        poll.join()
    assert answers[0].status_code == 200
    api.process.wait(10)
    assert time.monotonic() - began < 5


def test_stopping_closes_streams(api: Api, tmp_path: Path) -> None:
    """At once, and without the event `end`: clients reconnect, later or to another API."""
    with httpx.Client(base_url=api.url, timeout=30) as client:
        job_id = client.post("/jobs", json=IRIS).json()["id"]
        followers = [Follower(client, f"/jobs/{job_id}/events") for _ in range(20)]
        _wait_for(lambda: all(each.events for each in followers))
        began = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        told = [each.join() for each in followers]
        api.process.wait(10)
        assert time.monotonic() - began < 1 + SLACK_S
    assert [[each.event for each in events] for events in told] == [["status"]] * 20


def test_a_long_history_is_replayed_in_little_memory(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/ridgeline.db")
    api = Api(tmp_path)
    with closing(api), closing(database), ThreadPoolExecutor() as pool:
        job_id = httpx.post(f"{api.url}/jobs", json=IRIS).json()["id"]
        leases = LeaseStore(database)
        claim = leases.claim(job_id, "test", lease_s=600)
        assert claim is not None
        for start in range(1, 10_001, 1000):
            rows = [_long_row(epoch) for epoch in range(start, start + 1000)]
            leases.record_epochs(claim, rows, None)
        leases.finish(claim, JobStatus.SUCCEEDED, EndReason(code=EndCode.COMPLETED, detail="x"))
        process = psutil.Process(api.process.pid)
        before = process.memory_info().rss
        streamed = pool.map(_count_events, [f"{api.url}/jobs/{job_id}/events"] * 4)
        assert list(streamed) == [10_004] * 4  # with two states before, one after, and the end
        assert process.memory_info().rss - before < 8 * 2**20


def test_the_process_stops_although_the_database_hangs(tmp_path: Path) -> None:
    quick = "import service.__main__ as api; api.CLOSING_S = 1; api.main()"
    api = Api(tmp_path, "-c", quick, RIDGELINE_SHUTDOWN_GRACE_S="1")
    frozen = sqlite3.connect(tmp_path / "ridgeline.db", isolation_level=None)
    frozen.execute("BEGIN IMMEDIATE")
    with closing(frozen), closing(api), ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, f"{api.url}/jobs", json=IRIS, timeout=60)
        _wait_for(lambda: len(psutil.Process(api.process.pid).net_connections()) > 1)
        began = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(25) == 1
        assert time.monotonic() - began < 10
        assert answer.exception() is not None or answer.result().status_code >= 500
        api.reader.join()
        assert "does not answer" in api.log[-1]


def _long_row(epoch: int) -> EpochRow:
    penalties: dict[str, float | None] = {f"dense_{n}/kernel/l2": 0.123456789 for n in range(20)}
    return EpochRow(epoch=epoch, values={"loss": 0.5}, penalty_by_layer=penalties, seconds=0.1)


def _count_events(url: str) -> int:
    with httpx.stream("GET", url, headers=ACCEPT, timeout=60) as answer:
        tail, count = b"", 0
        for content in answer.iter_bytes():
            *lines, tail = (tail + content).split(b"\n")
            count += sum(line.startswith(b"event: ") for line in lines)
    return count


def _size(path: Path) -> int:
    """The size of a file that may be moved meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
