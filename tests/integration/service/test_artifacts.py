"""GET /jobs/{id}/artifacts and their bytes."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.problems import Problem
from service.http import downloads
from service.services import Services

CONTENT = bytes(range(251)) * 2789  # several chunks, the last one short; no two look alike
SHA = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)


@pytest.fixture
def path(submit: Callable[..., str], worker: Any) -> str:
    """Where a published file is served."""
    job_id = submit()
    worker.train(job_id, model_keras=CONTENT, empty_bin=b"")
    return f"/jobs/{job_id}/artifacts/model.keras"


@pytest.fixture
def file(path: str, services: Services) -> Path:
    """Where that file is stored."""
    (found,) = services.settings.artifacts_dir.rglob("model.keras")
    return found


def test_published_files_are_listed(client: TestClient, path: str) -> None:
    listed = client.get(path.rpartition("/")[0]).json()
    assert [(each["name"], each["bytes"], each["href"] == path) for each in listed] == [
        ("empty.bin", 0, False),
        ("model.keras", SIZE, True),
    ]
    assert listed[1]["sha256"] == SHA


def test_a_download_has_its_digest_and_name(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    expected = {
        "etag": f'"{SHA}"',
        "repr-digest": f"sha-256=:{digest}:",
        "accept-ranges": "bytes",
        "content-length": str(SIZE),
        "content-type": "application/vnd.keras",
        "content-disposition": 'attachment; filename="model.keras"',
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers[name] for name in expected} == expected


def test_an_empty_file_is_downloaded(client: TestClient, path: str) -> None:
    answer = client.get(path.replace("model.keras", "empty.bin"))
    assert (answer.status_code, answer.content) == (200, b"")
    ranged = client.get(path.replace("model.keras", "empty.bin"), headers={"Range": "bytes=0-"})
    assert ranged.status_code == 416


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=-5", SIZE - 5, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=10-{SIZE * 9}", 10, SIZE),
        (f"bytes=-{SIZE * 9}", 0, SIZE),
    ],
)
def test_a_range_returns_a_slice(
    client: TestClient, path: str, header: str, start: int, end: int
) -> None:
    answer = client.get(path, headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["etag"] == f'"{SHA}"'
    assert answer.headers["repr-digest"].startswith("sha-256=:")


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "lines=0-1", "bytes=2-1", "bytes=x"])
def test_anything_but_one_range_returns_the_whole_file(
    client: TestClient, path: str, header: str
) -> None:
    answer = client.get(path, headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=-0", "bytes=" + "9" * 200 + "-"])
def test_a_range_beyond_the_file_is_416(client: TestClient, path: str, header: str) -> None:
    answer = client.get(path, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert Problem.model_validate_json(answer.content).code == "range-not-satisfiable"


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (f'"{SHA}"', 206),
        (f'W/"{SHA}"', 200),
        ('"other"', 200),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 200),
    ],
)
def test_if_range_decides_between_part_and_whole(
    client: TestClient, path: str, if_range: str, status: int
) -> None:
    answer = client.get(path, headers={"Range": "bytes=0-9", "If-Range": if_range})
    assert answer.status_code == status
    assert answer.content == (CONTENT[:10] if status == 206 else CONTENT)


@pytest.mark.parametrize("known", [f'"{SHA}"', f'W/"{SHA}"', "*"])
def test_a_current_file_is_not_sent_again(client: TestClient, path: str, known: str) -> None:
    headers = {"If-None-Match": known, "Range": "bytes=0-9"}
    answer = client.get(path, headers=headers)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{SHA}"'


def test_head_has_the_headers_of_get(client: TestClient, path: str) -> None:
    head, get = client.head(path, headers={"Range": "bytes=0-9"}), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)
    assert client.head(path, headers={"If-None-Match": f'"{SHA}"'}).status_code == 304
    assert client.head(path + "x").status_code == 404


@pytest.mark.parametrize("name", ["other", "%2e%2e%2fridgeline.db", "model.keras%00", "%FF"])
def test_an_unknown_name_is_not_found(client: TestClient, path: str, name: str) -> None:
    answer = client.get(path.replace("model.keras", name))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_queued_job_has_no_files(client: TestClient, submit: Callable[..., str]) -> None:
    job_id = submit()
    assert client.get(f"/jobs/{job_id}/artifacts").json() == []
    answer = client.get(f"/jobs/{job_id}/artifacts/model.keras")
    assert answer.status_code == 404
    assert "queued" in answer.json()["detail"]


@pytest.mark.parametrize("damage", ["lost", "short", "long"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_damaged_file_is_410(
    client: TestClient, path: str, file: Path, damage: str, method: str
) -> None:
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(CONTENT[:-1] if damage == "short" else CONTENT + b"x")
    answer = client.request(method, path)
    assert answer.status_code == 410
    if method == "GET":
        assert "train the job again" in answer.json()["detail"]


@pytest.mark.parametrize("place", [0, 350_000, SIZE - 1])
def test_a_flipped_bit_never_arrives_as_a_whole_file(
    client: TestClient, path: str, file: Path, place: int
) -> None:
    """The last chunk is held back: the answer is shorter than its Content-Length."""
    wrong = bytearray(CONTENT)
    wrong[place] ^= 1
    file.write_bytes(wrong)
    received = b""
    with client.stream("GET", path) as answer:
        try:
            for chunk in answer.iter_raw():
                received += chunk
        except downloads.CorruptFile:  # the test's transport has no connection to break off
            pass
    assert len(received) < int(answer.headers["content-length"])
