"""POST /jobs: stored once, durably, before the answer."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from ridgeline.api.job import Job, JobStatus, Validation
from service.http.documentation import DIGITS, EXAMPLES, IRIS, document
from service.main import create_app
from service.services import Services

JSON = {"Content-Type": "application/json"}


def test_a_posted_job_is_stored_and_returned(client: TestClient, services: Services) -> None:
    answer = client.post("/jobs", json=DIGITS)
    assert answer.status_code == 202
    job = Job.model_validate_json(answer.content)
    assert answer.headers["location"] == f"/jobs/{job.id}"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["content-type"] == "application/json"
    assert "server" not in answer.headers
    assert job.status is JobStatus.QUEUED
    assert job.tags == ("demo",)
    assert job.resolved.model.layers[0].name == "dense"
    assert client.get(answer.headers["location"]).content == answer.content
    record = services.jobs.get(job.id)
    assert record is not None
    assert (record.epochs, record.deadline_s) == (30, 86_400)


@cache
def published_document() -> dict[str, Any]:
    return document(create_app())


@pytest.mark.parametrize("path", ["/jobs", "/jobs/validate"])
def test_the_documented_examples_are_accepted(client: TestClient, path: str) -> None:
    content = published_document()["paths"][path]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert set(examples) == set(EXAMPLES)
    for example in examples.values():
        assert client.post(path, json=example["value"]).is_success


def test_a_job_is_committed_before_the_answer(
    app: FastAPI, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second connection sees the job when the first byte of the answer is sent."""
    seen: list[int] = []
    engine = create_engine(services.database.url)

    async def scenario() -> None:
        body = json.dumps(IRIS).encode()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                with engine.connect() as connection:
                    count = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM events)"
                    seen.append(connection.execute(text(count)).scalar_one())

        headers = [(b"content-type", b"application/json")]
        await app({**scope("POST", "/jobs"), "headers": headers}, receive, send)

    asyncio.run(scenario())
    engine.dispose()
    assert seen == [2]


def scope(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
    }


def test_a_post_without_a_broker_is_fast_and_keeps_the_hint(
    client: TestClient, stored: Callable[[], dict[str, int]]
) -> None:
    client.post("/jobs", json=IRIS)
    began = time.perf_counter()
    for _ in range(10):
        assert client.post("/jobs", json=IRIS).status_code == 202
    assert time.perf_counter() - began < 2
    assert stored()["outbox"] == 11


class TestIdempotency:
    """One key creates one job."""

    def test_the_same_body_returns_the_same_job(
        self, client: TestClient, stored: Callable[[], dict[str, int]]
    ) -> None:
        first, second = (
            client.post("/jobs", json=IRIS, headers={"Idempotency-Key": "k"}) for _ in range(2)
        )
        assert first.json()["id"] == second.json()["id"]
        assert (first.status_code, second.status_code) == (202, 202)
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert stored()["jobs"] == 1

    def test_another_body_is_rejected(
        self, client: TestClient, stored: Callable[[], dict[str, int]]
    ) -> None:
        job_id = client.post("/jobs", json=IRIS, headers={"Idempotency-Key": "k"}).json()["id"]
        answer = client.post("/jobs", json=DIGITS, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 422
        assert answer.json()["code"] == "idempotency-key-reused"
        assert job_id in answer.json()["detail"]
        assert stored()["jobs"] == 1

    def test_a_rejected_spec_uses_no_key(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "k"}
        assert client.post("/jobs", json={}, headers=headers).status_code == 422
        assert client.post("/jobs", json=IRIS, headers=headers).status_code == 202

    def test_twenty_posts_at_once_create_one_job(
        self, client: TestClient, stored: Callable[[], dict[str, int]]
    ) -> None:
        answers: list[httpx.Response] = []
        start = threading.Barrier(20)

        def post() -> None:
            start.wait()
            answers.append(client.post("/jobs", json=IRIS, headers={"Idempotency-Key": "k"}))

        threads = [threading.Thread(target=post) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        assert (stored()["jobs"], stored()["outbox"]) == (1, 1)

    @pytest.mark.parametrize("key", ["", "a b", "k" * 256, "\xe9"])
    def test_a_malformed_key_is_rejected(
        self, client: TestClient, key: str, stored: Callable[[], dict[str, int]]
    ) -> None:
        headers = {**JSON, "Idempotency-Key": key.encode("latin-1")}
        answer = client.post("/jobs", content=json.dumps(IRIS), headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "idempotency-key:"
        assert stored()["jobs"] == 0

    def test_the_longest_key_is_accepted(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "k" * 255}
        assert client.post("/jobs", json=IRIS, headers=headers).status_code == 202


class TestPrefer:
    """`Prefer: wait=N` waits for the end."""

    def test_a_job_that_ends_in_time_is_200(
        self, client: TestClient, worker: Any, services: Services
    ) -> None:
        def finish() -> None:
            for _ in iter(lambda: services.jobs.list(limit=1).records, None):
                records = services.jobs.list(limit=1).records
                if records and services.watcher.waiting:
                    worker.train(records[0].id)
                    return

        thread = threading.Thread(target=finish)
        thread.start()
        answer = client.post("/jobs", json=IRIS, headers={"Prefer": "wait=30"})
        thread.join()
        assert answer.status_code == 200
        assert answer.json()["status"] == "succeeded"
        assert answer.headers["preference-applied"] == "wait=30"
        assert answer.headers["content-location"] == answer.headers["location"]
        assert "retry-after" not in answer.headers

    def test_a_job_that_does_not_end_in_time_is_202(self, client: TestClient) -> None:
        answer = client.post("/jobs", json=IRIS, headers={"Prefer": "respond-async, wait=0"})
        assert answer.status_code == 202
        assert answer.headers["preference-applied"] == "wait=0"
        assert "content-location" not in answer.headers

    @pytest.mark.parametrize(
        ("prefer", "applied"),
        [("respond-async", "respond-async"), ("wait=soon", None), ("handling=lenient", None)],
    )
    def test_without_a_wait_the_answer_is_immediate(
        self, client: TestClient, prefer: str, applied: str | None
    ) -> None:
        answer = client.post("/jobs", json=IRIS, headers={"Prefer": prefer})
        assert answer.status_code == 202
        assert answer.headers.get("preference-applied") == applied

    def test_a_replay_of_an_ended_job_is_200(self, client: TestClient, worker: Any) -> None:
        headers = {"Idempotency-Key": "k", "Prefer": "wait=0"}
        job_id = client.post("/jobs", json=IRIS, headers=headers).json()["id"]
        worker.train(job_id)
        answer = client.post("/jobs", json=IRIS, headers=headers)
        assert (answer.status_code, answer.json()["id"]) == (200, job_id)


def test_validation_stores_nothing(
    client: TestClient, stored: Callable[[], dict[str, int]]
) -> None:
    answer = client.post("/jobs/validate", json=DIGITS)
    assert answer.status_code == 200
    found = Validation.model_validate_json(answer.content)
    assert found.parameters.total == 64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10
    assert found.memory_bytes > 4 * found.parameters.total
    assert found.penalties[0].key == "dense/kernel/l2"
    assert [name for name, rows in stored().items() if rows] == ["identity"]
