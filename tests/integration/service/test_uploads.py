"""/uploads: a file in parts, in any order, interrupted and resumed."""

import random
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.testclient import TestClient

from ridgeline.api.datasets import Upload
from ridgeline.storage.files.datasets import LocalDatasetFiles
from service.datasets.inspector import AT_ONCE, Inspector
from service.main import create_app
from service.services import Services
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


@pytest.fixture
def sent(begin: Callable[..., Upload], send: Callable[..., int]) -> Callable[[], Upload]:
    """Begin an upload and send all of its parts."""

    def whole() -> Upload:
        upload = begin()
        for number in range(1, COUNT + 1):
            assert send(upload, number) == 204
        return upload

    return whole


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


def test_wrong_parts_are_rejected(
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


def test_parts_of_another_file_are_rejected(
    client: TestClient,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    """The parts are kept, so that the wrong one can be sent again."""
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


def test_an_unusable_file_is_deleted_with_its_parts(client: TestClient, settings: Settings) -> None:
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
    sent: Callable[[], Upload],
) -> None:
    whole = client.post("/datasets", content=CSV).json()
    upload = sent()
    answer = client.post(f"/uploads/{upload.id}/complete")
    assert (answer.status_code, answer.json()) == (200, whole)
    assert len(files(settings)) == 1


def test_an_open_upload_of_the_same_file_is_reused(
    client: TestClient, begin: Callable[..., Upload]
) -> None:
    upload = begin(sha256=sha256(CSV))
    asked = {"name": "rows", "bytes": len(CSV), "sha256": sha256(CSV)}
    again = client.post("/uploads", json=asked)
    assert (again.status_code, again.json()["id"]) == (200, upload.id)


def test_a_late_completion_returns_the_data_set(
    client: TestClient,
    sent: Callable[[], Upload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its parts are deleted while they are joined: another request was faster."""
    upload = sent()
    complete, read = f"/uploads/{upload.id}/complete", LocalDatasetFiles.read
    quicker: list[Any] = []

    def read_late(self: LocalDatasetFiles, *where: Any) -> Generator[bytes, None, None]:
        if not quicker:
            quicker.append(None)
            quicker[0] = client.post(complete)
        yield from read(self, *where)

    monkeypatch.setattr(LocalDatasetFiles, "read", read_late)
    late = client.post(complete)
    assert (quicker[0].status_code, late.status_code) == (201, 200), late.text
    assert late.content == quicker[0].content


def test_few_uploads_are_joined_at_once(
    client: TestClient,
    settings: Settings,
    sent: Callable[[], Upload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each needs disk space for its file, however often it is requested."""
    upload = sent()
    complete, read = f"/uploads/{upload.id}/complete", LocalDatasetFiles.read
    peak: list[int] = []

    def counted(self: LocalDatasetFiles, *where: Any) -> Generator[bytes, None, None]:
        peak.append(len([path for path in files(settings) if path.parent.name == "staging"]))
        yield from read(self, *where)

    monkeypatch.setattr(LocalDatasetFiles, "read", counted)
    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(lambda _: client.post(complete).status_code, range(12)))
    assert statuses == [200] * 11 + [201]
    assert 1 <= max(peak) <= AT_ONCE


def test_an_unusable_upload_may_be_deleted_meanwhile(
    client: TestClient,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = begin(bytes=8)
    send(upload, 1, b"a,b\n1,2,")
    inspect = Inspector.inspect

    async def meanwhile(self: Inspector, *file: Any) -> Any:
        await run_in_threadpool(client.delete, f"/uploads/{upload.id}")
        return await inspect(self, *file)

    monkeypatch.setattr(Inspector, "inspect", meanwhile)
    refusal = client.post(f"/uploads/{upload.id}/complete")
    assert (refusal.status_code, refusal.json()["code"]) == (422, "unusable-dataset")
    assert files(settings) == []


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
def test_a_wrong_request_is_rejected(client: TestClient, body: Any, pointer: str) -> None:
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
def test_an_unknown_upload_is_not_found(client: TestClient, name: str) -> None:
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/parts/1"),
        ("POST", "/complete"),
    ):
        answer = client.request(method, f"/uploads/{name}{path}")
        assert answer.status_code == 404, (method, path, answer.text)


def test_an_expired_upload_is_deleted(
    client: TestClient,
    services: Services,
    settings: Settings,
    begin: Callable[..., Upload],
    send: Callable[..., int],
) -> None:
    upload = begin()
    send(upload, 1)
    with services.database.write() as connection:
        connection.exec_driver_sql("UPDATE uploads SET expires_at = 1")
    services.datasets.garbage()
    assert client.get(f"/uploads/{upload.id}").status_code == 404
    assert files(settings) == []
