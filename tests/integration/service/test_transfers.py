"""Transfers over real connections: aborted, slow, large, concurrent."""

import hashlib
import io
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from tests.integration.service.test_datasets import CSV
from tests.integration.service.test_process import Api

pytestmark = pytest.mark.servers

WAIT_S = 20.0
LARGE = 64 * 2**20
GROWTH_BYTES = 24 * 2**20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def api(home: Path) -> Iterator[Api]:
    """One API for all tests; each sends its own bytes."""
    api = Api(home, RIDGELINE_BODY_TIMEOUT_S="1", RIDGELINE_UPLOAD_PART_BYTES=str(2**16))
    yield api
    api.close()


def table(name: str) -> bytes:
    """A file that no other test sends."""
    return CSV.replace(b"size", name.encode())


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def coming(home: Path) -> list[Path]:
    """The files that are being received."""
    return list((home / "artifacts" / ".datasets" / "staging").glob("*"))


def stored(home: Path, content: bytes) -> list[Path]:
    """The stored files with these bytes."""
    pattern = f"{hashlib.sha256(content).hexdigest()}.*"
    return list((home / "artifacts" / ".datasets" / "files").glob(pattern))


def begin_sending(api: Api, method: str, path: str, length: int) -> socket.socket:
    """A connection that has sent the head of a request, without the body."""
    connection = socket.create_connection(("127.0.0.1", api.port), timeout=WAIT_S)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(65_536).split(b" ", 2)[1])


@pytest.mark.parametrize("kind", ["whole", "part"])
def test_an_aborted_transfer_leaves_nothing(api: Api, home: Path, kind: str) -> None:
    content = table(kind)
    path, method = "/datasets", "POST"
    if kind == "part":
        upload = httpx.post(f"{api.url}/uploads", json={"name": "x", "bytes": len(content)}).json()
        path, method = f"/uploads/{upload['id']}/parts/1", "PUT"
    with closing(begin_sending(api, method, path, len(content))) as connection:
        connection.sendall(content[:100])
        eventually(lambda: len(coming(home)) == 1)
    eventually(lambda: coming(home) == [])
    assert stored(home, content) == []
    assert httpx.post(f"{api.url}/datasets", content=content).status_code == 201
    assert len(stored(home, content)) == 1


def test_a_silent_client_is_408(api: Api, home: Path) -> None:
    content = table("silent")
    with closing(begin_sending(api, "POST", "/datasets", len(content))) as silent:
        silent.sendall(content[:100])
        assert status(silent) == 408
    eventually(lambda: coming(home) == [])


def test_a_very_slow_client_is_408(api: Api, home: Path) -> None:
    """Single bytes, each within the timeout, would take forever."""
    with closing(begin_sending(api, "POST", "/datasets", 10**9)) as connection:
        began = time.monotonic()
        connection.settimeout(0.3)
        while True:
            connection.sendall(b"x")
            try:
                assert status(connection) == 408
                break
            except TimeoutError:
                assert time.monotonic() - began < WAIT_S
    eventually(lambda: coming(home) == [])


def test_the_same_bytes_from_many_clients_are_one_data_set(api: Api, home: Path) -> None:
    content = table("together")
    answers: list[httpx.Response] = []
    ready = threading.Barrier(4)

    def post() -> None:
        with httpx.Client(base_url=api.url, timeout=60) as client:
            ready.wait()
            answers.append(client.post("/datasets", content=content))

    clients = [threading.Thread(target=post) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.content for answer in answers}) == 1
    assert len(stored(home, content)) == 1


def test_large_files_take_no_memory(api: Api) -> None:
    """Neither receiving nor sending; and the API loads no library that reads them."""
    rows = np.zeros((LARGE // 1024, 1024), dtype=np.uint8)
    rows[:, 0] = np.arange(len(rows)) % 251
    buffer = io.BytesIO()
    np.save(buffer, rows)
    np.save(buffer, np.arange(len(rows)) % 2)
    content = buffer.getvalue()
    process = psutil.Process(api.process.pid)
    with httpx.Client(base_url=api.url, timeout=120) as client:
        client.post("/datasets", content=table("small"))
        before = process.memory_info().rss
        found = client.post("/datasets", content=content)
        assert found.status_code == 201, found.text
        digest = hashlib.sha256()
        with client.stream("GET", f"{found.headers['Location']}/content") as answer:
            for chunk in answer.iter_raw():
                digest.update(chunk)
    assert digest.hexdigest() == found.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert process.memory_info().rss - before < GROWTH_BYTES
    mapped = "".join(each.path for each in process.memory_maps())
    assert not [name for name in ("numpy", "pyarrow", "PIL") if name in mapped]


def test_stopping_during_a_transfer_leaves_nothing(tmp_path: Path) -> None:
    """It does not wait for bytes that may never arrive."""
    api = Api(tmp_path, RIDGELINE_SHUTDOWN_GRACE_S="1")
    with closing(api), closing(begin_sending(api, "POST", "/datasets", len(CSV))) as connection:
        connection.sendall(CSV[:100])
        eventually(lambda: len(coming(tmp_path)) == 1)
        api.process.send_signal(signal.SIGTERM)
        api.process.wait(WAIT_S)
    assert coming(tmp_path) == []
