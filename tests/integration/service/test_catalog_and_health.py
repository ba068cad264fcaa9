"""GET /catalog, /healthz and /readyz; HEAD wherever there is GET."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ridgeline.api.catalog import Catalog
from ridgeline.storage import Database, DatabaseUnavailable
from service import openapi
from service.jobs.dispatch import CeleryDispatch
from service.main import create_app
from service.services import Services
from service.settings import Settings


def test_the_catalog_is_served_and_cached(client: TestClient) -> None:
    answer = client.get("/catalog")
    assert Catalog.model_validate_json(answer.content).layers
    again = client.get("/catalog", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/catalog", "/jobs"])
def test_head_is_served_wherever_get_is(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


def test_healthz_is_ok(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_is_ready_where_no_broker_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIDGELINE_REDIS_URL", "none")
    with TestClient(create_app(Settings(home=tmp_path))) as client:
        answer = client.get("/readyz").json()
    up = {"database": "up", "artifacts": "up"}
    assert answer == {"status": "ready", "broker": "none", **up}


def test_ready_without_a_broker_is_degraded(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    up = {"database": "up", "artifacts": "up"}
    assert answer.json() == {"status": "degraded", "broker": "down", **up}


def test_readyz_is_ready_with_a_broker(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CeleryDispatch, "ping", lambda _: None)
    up = dict.fromkeys(("database", "broker", "artifacts"), "up")
    assert client.get("/readyz").json() == {"status": "ready", **up}


def test_ready_without_the_folder_of_files_is_degraded(
    client: TestClient, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CeleryDispatch, "ping", lambda _: None)
    services.settings.artifacts_dir.rename(tmp_path / "away")
    answer = client.get("/readyz").json()
    assert (answer["status"], answer["artifacts"]) == ("degraded", "down")


def test_readyz_is_503_without_a_database(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("secret@host")

    monkeypatch.setattr(Database, "read", away)
    assert client.get("/healthz").status_code == 200
    for path in ("/readyz", "/jobs", "/jobs/job_" + "0" * 32):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        assert "secret" not in answer.text


def test_the_service_serves_its_openapi_document(client: TestClient) -> None:
    assert client.get("/openapi.json").json() == json.loads(openapi.PATH.read_text())
    assert client.get("/docs").status_code == 404
