"""The real application with a bucket: downloads, redirects to signed URLs, faults."""

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from ridgeline.api.job import JobStatus
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from service.http import downloads
from service.http.documentation import IRIS
from service.services import Services
from service.settings import Settings
from tests.integration.artifacts.link import Link
from tests.integration.artifacts.seaweed import Seaweed
from tests.integration.service import conftest as service_fixtures
from tests.integration.worker import conftest as worker_fixtures
from tests.integration.worker import stub_engine
from tests.integration.worker.conftest import CPU, House
from worker.settings import WorkerSettings

built_routes = service_fixtures.built_routes
app, client, services = service_fixtures.app, service_fixtures.client, service_fixtures.services
worker, submit = service_fixtures.worker, service_fixtures.submit
context, house = worker_fixtures.context, worker_fixtures.house

CONTENT = bytes(range(251)) * 40_000  # several chunks, the last one short
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    return Settings(
        home=tmp_path,
        redis_url=f"redis+socket://{tmp_path}/no-redis.sock",
        artifacts_url=url,
        signed_url_s=60,
    )


@pytest.fixture
def path(submit: Callable[..., str], worker: Any) -> str:
    """The path of a published file in the API."""
    job_id = submit()
    worker.train(job_id, model_keras=CONTENT, empty_bin=b"")
    return f"/jobs/{job_id}/artifacts/model.keras"


@pytest.fixture
def stored(seaweed: Seaweed, path: str, url: str) -> str:
    """The path of the file in the bucket."""
    prefix = url.partition("artifacts/")[2]
    found = [each["path"] for batch in seaweed.bare().list(prefix) for each in batch]
    (key,) = (each for each in found if each.endswith("model.keras"))
    return key


def test_download_through_the_api(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    ranged = client.get(path, headers={"Range": "bytes=4194300-4194310"})
    assert (ranged.status_code, ranged.content) == (206, CONTENT[4194300:4194311])
    empty = client.get(path.replace("model.keras", "empty.bin"))
    assert (empty.status_code, empty.content) == (200, b"")


def test_download_by_redirect(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"redirect": "true"}, follow_redirects=False)
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["cache-control"] == "no-store"
    digest = base64.b64encode(bytes.fromhex(SHA)).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    address = answer.headers["location"]
    file = httpx.get(address)
    assert (file.status_code, file.content) == (200, CONTENT)
    assert file.headers["content-disposition"] == 'attachment; filename="model.keras"'
    for tampered in (
        address.replace("model.keras", "empty.bin"),
        address.replace("Expires=60", "Expires=600"),
        address.partition("?")[0],
    ):
        assert httpx.get(tampered).status_code == 403
    assert httpx.put(address, content=b"x").status_code == 403


def test_signed_url_expires(path: str, services: Services) -> None:
    del path
    (key,) = (key for key in keys(services) if key.endswith("model.keras"))
    address = services.artifacts.signed_url(key, 1)
    assert address is not None
    until = time.monotonic() + 20
    while httpx.get(address).status_code != 403:
        assert time.monotonic() < until, "the address never expires"
        time.sleep(0.05)


def test_no_redirect_without_a_signed_url(
    client: TestClient, path: str, services: Services
) -> None:
    asked = {"redirect": "true"}
    head = client.head(path, params=asked, follow_redirects=False)
    assert head.status_code == 200
    known = {"If-None-Match": f'"{SHA}"'}
    answer = client.get(path, params=asked, headers=known, follow_redirects=False)
    assert answer.status_code == 304
    assert client.get(path, params={"redirect": "false"}).content == CONTENT
    assert client.get(path, params={"redirect": "perhaps"}).status_code == 422
    services.artifacts.delete([key for key in keys(services) if key.endswith("model.keras")])
    assert client.get(path, params=asked, follow_redirects=False).status_code == 410


def keys(services: Services) -> list[str]:
    return [key for attempt in services.artifacts.attempts() for key in attempt.keys]


def test_damaged_file_is_gone(client: TestClient, path: str, stored: str, seaweed: Seaweed) -> None:
    seaweed.bare().put(stored, CONTENT[:-1])
    assert client.get(path).status_code == 410
    seaweed.bare().delete(stored)
    answer = client.get(path)
    assert answer.status_code == 410
    assert "train the job again" in answer.json()["detail"]


def test_flipped_bit_never_completes_a_download(
    client: TestClient, path: str, stored: str, seaweed: Seaweed
) -> None:
    for place in (0, 5_000_000, len(CONTENT) - 1):
        wrong = bytearray(CONTENT)
        wrong[place] ^= 1
        seaweed.bare().put(stored, bytes(wrong))
        received = b""
        with client.stream("GET", path) as answer:
            try:
                for chunk in answer.iter_raw():
                    received += chunk
            except downloads.CorruptFile:  # the test's transport has no connection to break
                pass
        assert len(received) < int(answer.headers["content-length"])


def test_unreachable_server_is_reported(link: Link, client: TestClient, path: str) -> None:
    assert client.get("/readyz").json()["artifacts"] == "up"
    link.cut()
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["artifacts"]) == (200, "down")
    assert client.post("/jobs", json=IRIS).status_code == 202
    link.mend()
    assert client.get(path).content == CONTENT


def test_deleted_job_leaves_no_files(client: TestClient, path: str, services: Services) -> None:
    assert len(keys(services)) == 2
    assert client.delete(path.rpartition("/artifacts")[0]).status_code == 204
    assert keys(services) == []


def test_post_train_and_download(
    client: TestClient, services: Services, house: House, submit: Callable[..., str], url: str
) -> None:
    """A real supervisor with another disk trains the posted job."""
    job_id = submit(name="succeed")
    elsewhere = ObjectArtifacts(url, services.settings.home / "elsewhere")
    house.change(artifacts=elsewhere, settings=WorkerSettings(home=services.settings.home))
    house.supervisor.supervise(job_id, CPU)
    assert house.record(job_id).status is JobStatus.SUCCEEDED
    assert client.get(f"/jobs/{job_id}").json()["status"] == "succeeded"
    (listed,) = client.get(f"/jobs/{job_id}/artifacts").json()
    assert client.get(listed["href"]).content == stub_engine.MODEL
    address = client.get(f"{listed['href']}?redirect=true", follow_redirects=False)
    assert httpx.get(address.headers["location"]).content == stub_engine.MODEL
