"""/uploads: a file in parts, in any order, broken off and taken up again."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from ridgeline.contract.dataset.stored import Upload
from service.deps import Parts
from service.main import create_app
from service.settings import Settings
from tests.integration.service.conftest import sha256
from tests.integration.service.test_datasets import digest

PART = 2**16
ROWS = b"".join(b"%d,%d,%s\n" % (n, n * n, b"ab"[n % 2 :][:1]) for n in range(12_000))
CSV = b"x,y,label\n" + ROWS
COUNT = -(-len(CSV) // PART)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """An application whose parts are small."""
    return create_app(settings.model_copy(update={"upload_part_bytes": PART}))


def part(number: int) -> bytes:
    return CSV[(number - 1) * PART : number * PART]


@pytest.fixture
def begin(client: TestClient) -> Callable[..., Upload]:
    def post(**said: Any) -> Upload:
        answer = client.post("/uploads", json={"name": "rows", "bytes": len(CSV), **said})
        assert answer.status_code == 201, answer.text
        assert answer.headers["Location"] == f"/uploads/{answer.json()['id']}"
        return Upload.model_validate_json(answer.content)

    return post


@pytest.fixture
def send(client: TestClient) -> Callable[..., int]:
    """Send a part, and return the status."""

    def put(upload: Upload, number: int, content: bytes | None = None, **headers: str) -> int:
        path = f"/uploads/{upload.id}/parts/{number}"
        body = part(number) if content is None else content
        status: int = client.put(path, content=body, headers=headers).status_code
        return status

    return put


def received(client: TestClient, upload: Upload) -> list[int]:
    found: list[int] = client.get(f"/uploads/{upload.id}").json()["received"]
    return found


def files(settings: Settings) -> list[Path]:
    folder = settings.artifacts_dir / ".datasets"
    return [path for path in folder.rglob("*") if path.is_file()]


def test_parts_become_a_data_set(
    client: TestClient,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    upload = begin(sha256=sha256(CSV))
    assert (upload.parts, upload.part_bytes, upload.received) == (COUNT, PART, ())
    numbers = list(range(1, COUNT + 1))
    random.Random(1).shuffle(numbers)  # noqa: S311
    for number in numbers[:-1]:
        assert send(upload, number, **{"Content-Digest": digest(part(number))}) == 204
    assert received(client, upload) == sorted(numbers[:-1])
    complete = f"/uploads/{upload.id}/complete"
    early = client.post(complete)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert str(numbers[-1]) in early.json()["detail"]
    assert send(upload, numbers[-1]) == 204
    assert send(upload, numbers[0]) == 204  # again
    first, again = client.post(complete), client.post(complete)
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json()["sha256"] == sha256(CSV)
    assert first.json()["name"] == "rows"
    assert again.content == first.content
    assert client.get(f"{first.headers['Location']}/content").content == CSV
    assert len(files(settings)) == 1
    assert received(client, upload) == sorted(numbers)
    assert send(upload, 1) == 409
    assert client.delete(f"/uploads/{upload.id}").status_code == 204
    assert client.post(complete).status_code == 404
    assert client.get(first.headers["Location"]).status_code == 200


def test_wrong_parts_are_not_taken(
    client: TestClient,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    upload = begin()
    assert send(upload, 1, part(1) + b"x") == 413
    assert send(upload, 1, part(1)[:-1]) == 422
    assert send(upload, 1, b"") == 422
    assert send(upload, 1, **{"Content-Digest": digest(b"other")}) == 400
    assert send(upload, 1, **{"Content-Digest": "sha-256=x"}) == 422
    assert send(upload, COUNT + 1, b"x") == 404
    for number in (0, -1, 10_001):
        assert send(upload, number, b"x") == 422
    assert received(client, upload) == []
    assert files(settings) == []
    assert send(upload, 1) == 204
    assert send(upload, 1, part(1)[:-1]) == 422  # what came before stands
    assert received(client, upload) == [1]


def test_parts_that_make_up_another_file(
    client: TestClient,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    """They stay, so that the wrong one can be sent again."""
    upload = begin(sha256=sha256(CSV))
    for number in range(1, COUNT + 1):
        content = part(number)
        assert send(upload, number, content if number != 2 else content[::-1]) == 204
    complete = f"/uploads/{upload.id}/complete"
    assert client.post(complete).json()["code"] == "digest-mismatch"
    assert len(received(client, upload)) == COUNT
    assert send(upload, 2) == 204
    assert client.post(complete).status_code == 201
    assert len(files(settings)) == 1


def test_a_file_that_cannot_be_used_goes_with_its_parts(
    client: TestClient, settings: Settings
) -> None:
    ragged = b"a,b\n1\n"
    asked = {"name": "rows", "bytes": len(ragged)}
    path = f"/uploads/{client.post('/uploads', json=asked).json()['id']}"
    client.put(f"{path}/parts/1", content=ragged)
    refusal = client.post(f"{path}/complete")
    assert (refusal.status_code, refusal.json()["code"]) == (422, "unusable-dataset")
    assert client.get(path).status_code == 404
    assert files(settings) == []


def test_a_known_file_is_not_stored_again(
    client: TestClient,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    whole = client.post("/datasets", content=CSV).json()
    upload = begin()
    for number in range(1, COUNT + 1):
        send(upload, number)
    answer = client.post(f"/uploads/{upload.id}/complete")
    assert (answer.status_code, answer.json()) == (200, whole)
    assert len(files(settings)) == 1


def test_an_upload_is_found_again(client: TestClient, begin: Callable[..., Upload]) -> None:
    upload = begin(sha256=sha256(CSV))
    asked = {"name": "rows", "bytes": len(CSV), "sha256": sha256(CSV)}
    again = client.post("/uploads", json=asked)
    assert (again.status_code, again.json()["id"]) == (200, upload.id)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"bytes": 1}, "/name"),
        ({"name": "x"}, "/bytes"),
        ({"name": "x", "bytes": 0}, "/bytes"),
        ({"name": "x", "bytes": 1.5}, "/bytes"),
        ({"name": "x", "bytes": "1"}, "/bytes"),
        ({"name": "x", "bytes": 2**60}, "/bytes"),
        ({"name": "", "bytes": 1}, "/name"),
        ({"name": "a\nb", "bytes": 1}, "/name"),
        ({"name": "x", "bytes": 1, "sha256": "0" * 63}, "/sha256"),
        ({"name": "x", "bytes": 1, "format": "xlsx"}, "/format"),
        ({"name": "x", "bytes": 1, "parts": 1}, "/parts"),
        ([], ""),
    ],
)
def test_requests_that_are_none(client: TestClient, body: Any, pointer: str) -> None:
    answer = client.post("/uploads", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (
        client.post("/uploads", content=b"{", headers={"Content-Type": "application/json"}).json()[
            "code"
        ]
        == "malformed-json"
    )


@pytest.mark.parametrize("name", ["up_x", "up_" + "0" * 32, "%00"])
def test_uploads_that_are_none(client: TestClient, name: str) -> None:
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/parts/1"),
        ("POST", "/complete"),
    ):
        answer = client.request(method, f"/uploads/{name}{path}")
        assert answer.status_code == 404, (method, path, answer.text)


def test_what_expires_goes(
    client: TestClient,
    parts: Parts,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    upload = begin()
    send(upload, 1)
    with parts.database.write() as connection:
        connection.exec_driver_sql("UPDATE uploads SET expires_at = 1")
    parts.datasets.garbage()
    assert client.get(f"/uploads/{upload.id}").status_code == 404
    assert files(settings) == []
