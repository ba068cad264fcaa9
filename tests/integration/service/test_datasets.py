"""/datasets: storing, describing and downloading files; and rejections, which store nothing."""

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from ridgeline.api.datasets import StoredDataset, StoredDatasetPage
from ridgeline.api.problems import Problem
from service.datasets import receiving as space
from service.datasets.inspector import Inspector
from service.datasets.inspector_child import Bounds
from service.main import create_app
from service.services import Services
from service.settings import Settings
from tests.integration.service.conftest import sha256

CSV = b"size,colour\n" + b"".join(b"%d,%s\n" % (n, [b"red", b"blue"][n % 2]) for n in range(30))
SPEC: dict[str, Any] = {
    "model": {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy"},
}


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.fixture
def files(settings: Settings) -> Callable[[], list[Path]]:
    """Every file of data sets: stored, being received, or a part."""

    def found() -> list[Path]:
        folder = settings.artifacts_dir / ".datasets"
        return sorted(path for path in folder.rglob("*") if path.is_file())

    return found


@pytest.fixture
def refused(
    client: TestClient, stored: Callable[[], dict[str, int]], files: Callable[[], list[Path]]
) -> Callable[..., Problem]:
    """Send a request that must be rejected and store nothing."""

    def send(status: int, code: str, **request: Any) -> Problem:
        before = {name: rows for name, rows in stored().items() if "dataset" in name}, files()
        answer = client.request(**{"method": "POST", "url": "/datasets", **request})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        after = {name: rows for name, rows in stored().items() if "dataset" in name}, files()
        assert after == before
        return Problem.model_validate_json(answer.content)

    return send


def test_a_file_is_stored_listed_downloaded_and_deleted(
    client: TestClient, files: Callable[[], list[Path]]
) -> None:
    answer = client.post("/datasets?name=colours", content=CSV)
    assert answer.status_code == 201, answer.text
    found = StoredDataset.model_validate_json(answer.content)
    assert (found.name, found.format, found.rows, found.bytes) == ("colours", "csv", 30, len(CSV))
    assert found.sha256 == sha256(CSV)
    assert found.id == f"ds_{found.sha256[:32]}"
    assert found.columns is not None
    assert [(each.name, each.type) for each in found.columns] == [
        ("size", "integer"),
        ("colour", "text"),
    ]
    assert found.columns[1].values is not None
    assert [(each.value, each.rows) for each in found.columns[1].values] == [
        ("blue", 15),
        ("red", 15),
    ]
    path = answer.headers["Location"]
    assert path == f"/datasets/{found.id}"
    assert client.get(path).content == answer.content
    page = StoredDatasetPage.model_validate_json(client.get("/datasets").content)
    assert page.items == (found,)
    content = client.get(f"{path}/content")
    assert content.content == CSV
    assert content.headers["ETag"] == f'"{found.sha256}"'
    assert content.headers["Repr-Digest"] == digest(CSV)
    assert content.headers["Content-Type"].startswith("text/csv")
    assert content.headers["Content-Disposition"] == 'attachment; filename="colours.csv"'
    part = client.get(f"{path}/content", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, CSV[5:10])
    has_it = {"If-None-Match": content.headers["ETag"]}
    assert client.get(f"{path}/content", headers=has_it).status_code == 304
    assert client.head(f"{path}/content").headers["Content-Length"] == str(len(CSV))
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    assert files() == []


def test_the_same_bytes_are_stored_once(
    client: TestClient, files: Callable[[], list[Path]]
) -> None:
    first = client.post("/datasets?name=first", content=CSV)
    again = client.post("/datasets?name=second", content=CSV)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert len(files()) == 1


def test_announced_digests_are_verified(
    client: TestClient, refused: Callable[..., Problem]
) -> None:
    right, wrong = digest(CSV), digest(b"other")
    for name in ("Content-Digest", "Repr-Digest"):
        refused(400, "digest-mismatch", content=CSV, headers={name: wrong})
        assert client.post("/datasets", content=CSV, headers={name: right}).is_success
        client.delete(f"/datasets/ds_{sha256(CSV)[:32]}")
    unknown = {"Content-Digest": "md5=:AAAA:, sha-512=:AAAA:"}
    assert client.post("/datasets", content=CSV, headers=unknown).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Digest": "sha-256=:AAAA:"},
        {"Content-Digest": "sha-256=AAAA"},
        {"Repr-Digest": "sha-256"},
        {"Content-Digest": digest(b"a"), "Repr-Digest": digest(b"b")},
    ],
)
def test_a_malformed_digest_is_rejected(
    refused: Callable[..., Problem], headers: dict[str, str]
) -> None:
    problem = refused(422, "invalid-request", content=CSV, headers=headers)
    assert problem.errors[0].pointer.endswith("-digest:")


@pytest.mark.parametrize(
    ("headers", "format_"),
    [
        ({"Content-Type": "text/csv; charset=UTF-8"}, "csv"),
        ({"Content-Type": "application/octet-stream"}, "csv"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "csv"),
        ({}, "csv"),
    ],
)
def test_the_content_type_may_leave_the_format_open(
    client: TestClient, headers: dict[str, str], format_: str
) -> None:
    answer = client.post("/datasets", content=CSV, headers=headers)
    assert answer.json()["format"] == format_, answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json"},
        {"Content-Type": "text/csv; charset=latin-1"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_a_form_or_encoded_body_is_415(
    refused: Callable[..., Problem], headers: dict[str, str]
) -> None:
    refused(415, "unsupported-media-type", content=CSV, headers=headers)


@pytest.mark.parametrize(
    "request_",
    [
        {"url": "/datasets?format=xlsx"},
        {"url": "/datasets?name="},
        {"url": "/datasets?name=a%00b"},
        {"url": f"/datasets?name={'x' * 101}"},
        {"url": "/datasets?nmae=x"},
        {"method": "GET", "url": "/datasets?after=x"},
        {"method": "GET", "url": f"/datasets?after=99999999999999-ds_{'0' * 32}x"},
        {"method": "GET", "url": "/datasets?limit=0"},
    ],
)
def test_wrong_parameters_are_rejected(
    refused: Callable[..., Problem], request_: dict[str, str]
) -> None:
    refused(422, "invalid-request", **request_)


def test_the_largest_cursor_is_accepted(client: TestClient) -> None:
    assert client.get(f"/datasets?after=99999999999999-ds_{'f' * 32}").json()["items"] == []


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n3\n", "ragged-row"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (b"PAR1" + bytes(100) + b"PAR1", "damaged"),
        (b"\x93NUMPY\x01\x00" + bytes(200), "npy-header"),
    ],
)
def test_an_unusable_file_is_rejected_with_its_faults(
    refused: Callable[..., Problem], content: bytes, rule: str
) -> None:
    problem = refused(422, "unusable-dataset", content=content)
    assert problem.errors[0].rule == rule, problem


def npz(**arrays: npt.ArrayLike) -> bytes:
    content = io.BytesIO()
    np.savez(content, allow_pickle=True, **{name: np.asarray(a) for name, a in arrays.items()})
    return content.getvalue()


X, Y = np.zeros((6, 4), np.float32), np.arange(6) % 2
DIVIDED: dict[str, Any] = {"x_train": X, "y_train": Y, "x_test": X[:2], "y_test": Y[:2]}


def test_a_file_with_its_own_split_is_stored(
    client: TestClient, stored: Callable[[], dict[str, int]]
) -> None:
    dataset = client.post("/datasets", content=npz(**DIVIDED)).json()
    assert dataset["rows"] == 8
    assert dataset["split"] == {"train": 6, "validation": 0, "test": 2}
    balance = {
        each["name"]: [value["rows"] for value in each["values"]]
        for each in dataset["arrays"]
        if each["values"]
    }
    assert balance == {"y_train": [3, 3], "y_test": [1, 1]}
    spec = {**SPEC, "dataset": {"source": "upload", "id": dataset["id"]}}
    job = client.post("/jobs", json=spec).json()
    assert job["resolved"]["dataset"]["stored"]["split"] == dataset["split"]
    assert job["resolved"]["split"]["validation"] == 0.2
    # What is answered may be posted again, as it was said and as it was spelled out.
    for again in (job["spec"], job["resolved"]):
        assert client.post("/jobs/validate", json=again).json()["resolved"] == job["resolved"]
    before = stored()
    refused = client.post("/jobs", json={**spec, "split": {"test": 0.1}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-spec"), refused.text
    assert [(each["pointer"], each["rule"]) for each in refused.json()["errors"]] == [
        ("/split/test", "own-test-rows")
    ]
    assert stored() == before


def test_too_many_different_values_are_not_listed(client: TestClient) -> None:
    values = np.arange(1000) - 2**62
    arrays = {f"array_{number}": values for number in range(100)}
    found = client.post("/datasets", content=npz(**arrays))
    assert found.status_code == 201, found.text
    assert [each["values"] for each in found.json()["arrays"]] == [None] * 100


def test_a_file_with_its_own_validation_rows_is_trained_on(client: TestClient) -> None:
    content = npz(**DIVIDED, x_val=X[:3], y_val=Y[:3])
    dataset = client.post("/datasets", content=content).json()
    spec = {**SPEC, "dataset": {"source": "upload", "id": dataset["id"]}}
    job = client.post("/jobs", json=spec).json()
    assert (job["resolved"]["split"]["validation"], job["advice"]) == (0.0, [])
    for again in (job["spec"], job["resolved"]):
        assert client.post("/jobs/validate", json=again).json()["resolved"] == job["resolved"]


@pytest.mark.parametrize(
    ("changes", "rule", "at"),
    [
        ({"y_test": np.array([None, 1], dtype=object)}, "pickle", "y_test"),
        ({"y_test": Y[:3]}, "rows-differ", "x_test"),
        ({"x_test": X[:2, :3]}, "split-shapes", "x_test"),
        ({"x_val": X}, "split-arrays", "y_val"),
    ],
)
def test_splits_that_do_not_match_are_rejected(
    refused: Callable[..., Problem], changes: dict[str, Any], rule: str, at: str
) -> None:
    problem = refused(422, "unusable-dataset", content=npz(**(DIVIDED | changes)))
    assert (problem.errors[0].rule, problem.errors[0].pointer) == (rule, f"/arrays/{at}")


def test_a_wrong_format_is_rejected(client: TestClient, refused: Callable[..., Problem]) -> None:
    refused(422, "unusable-dataset", url="/datasets?format=parquet", content=CSV)
    client.post("/datasets", content=CSV)
    refused(409, "conflict", url="/datasets?format=parquet", content=CSV)


@pytest.mark.parametrize("path", ["ds_x", "ds_" + "0" * 32, "DS_" + "0" * 32, "%00"])
def test_an_unknown_data_set_is_not_found(client: TestClient, path: str) -> None:
    for method, url in (
        ("GET", f"/datasets/{path}"),
        ("GET", f"/datasets/{path}/content"),
        ("DELETE", f"/datasets/{path}"),
    ):
        assert client.request(method, url).status_code == 404


@pytest.fixture
def small(settings: Settings) -> FastAPI:
    """An application that accepts files of 100 bytes."""
    return create_app(settings.model_copy(update={"max_dataset_bytes": 100}))


def test_a_file_that_is_too_large_is_rejected(small: FastAPI, settings: Settings) -> None:
    """An announced size is rejected before a byte is read, others once it is exceeded."""
    never: Iterator[bytes] = (pytest.fail("the body was read") for _ in range(1))
    with TestClient(small, raise_server_exceptions=False) as client:
        announced = client.post("/datasets", content=never, headers={"Content-Length": str(10**30)})
        silent = client.post("/datasets", content=iter([CSV]))
        upload = client.post("/uploads", json={"name": "x", "bytes": 101})
    for answer in (announced, silent, upload):
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large"), answer.text
    assert list((settings.artifacts_dir / ".datasets" / "staging").iterdir()) == []


def test_a_full_disk_is_503(
    refused: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    monkeypatch.setattr(space, "MARGIN_BYTES", 2**62)
    refused(503, "insufficient-storage", content=CSV)
    refused(503, "insufficient-storage", url="/uploads", json={"name": "x", "bytes": 5})
    monkeypatch.undo()
    assert client.post("/datasets", content=CSV).status_code == 201


def test_an_inspection_that_takes_too_long_is_rejected(
    refused: Callable[..., Problem], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Inspector(Bounds(2**30, 0.01))
    monkeypatch.setattr(services.datasets.inspector, "_bounds", quick._bounds)
    problem = refused(422, "unusable-dataset", content=CSV)
    assert [fault.rule for fault in problem.errors] == ["too-slow"]
    quick.close()


def test_an_inspection_that_needs_too_much_memory_is_rejected(
    refused: Callable[..., Problem], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.datasets.inspector, "_bounds", Bounds(2**24, 60))
    refused(422, "unusable-dataset", content=CSV)


def test_a_data_set_in_use_cannot_be_deleted(
    client: TestClient, services: Services, worker: Any
) -> None:
    dataset = client.post("/datasets?name=things.csv", content=CSV).json()
    spec = {**SPEC, "dataset": {"source": "upload", "id": dataset["id"], "target": "colour"}}
    assert client.post("/jobs/validate", json=spec).status_code == 200
    job = client.post("/jobs", json=spec).json()
    assert "stored" not in job["spec"]["dataset"]
    assert job["resolved"]["dataset"]["stored"]["name"] == "things.csv"
    assert job["resolved"]["dataset"]["stored"]["sha256"] == dataset["sha256"]
    refusal = client.delete(f"/datasets/{dataset['id']}")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "conflict")
    assert job["id"] in refusal.json()["detail"]
    worker.train(job["id"])
    assert client.delete(f"/datasets/{dataset['id']}").status_code == 204
    assert client.get(f"/jobs/{job['id']}").json()["status"] == "succeeded"


def test_contents_sent_by_the_client_are_replaced(client: TestClient) -> None:
    """A resolved spec holds the contents of the file; posted again, they are read anew."""
    dataset_id = client.post("/datasets", content=CSV).json()["id"]
    spec = {**SPEC, "dataset": {"source": "upload", "id": dataset_id, "target": "colour"}}
    resolved = client.post("/jobs/validate", json=spec).json()["resolved"]
    forged = {**resolved, "dataset": {**resolved["dataset"]}}
    forged["dataset"]["stored"] = {**resolved["dataset"]["stored"], "rows": 10**9}
    assert client.post("/jobs", json=forged).json()["resolved"] == resolved


def test_a_deleted_data_set_rejects_new_jobs_but_not_replays(
    client: TestClient, stored: Callable[[], dict[str, int]]
) -> None:
    """A new job is rejected; a key that created a job returns that job."""
    dataset_id = client.post("/datasets", content=CSV).json()["id"]
    spec = {**SPEC, "dataset": {"source": "upload", "id": dataset_id, "target": "colour"}}
    keyed = {"headers": {"Idempotency-Key": "key"}}
    job = client.post("/jobs", json=spec, **keyed).json()["id"]
    client.post(f"/jobs/{job}/cancel")
    assert client.delete(f"/datasets/{dataset_id}").status_code == 204
    for path in ("/jobs", "/jobs/validate"):
        answer = client.post(path, json=spec)
        assert answer.status_code == 422
        (fault,) = answer.json()["errors"]
        assert (fault["pointer"], fault["rule"]) == ("/dataset/id", "unknown-dataset")
    again = client.post("/jobs", json=spec, **keyed)
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (job, "true")
    other = client.post("/jobs", json={**spec, "name": "other"}, **keyed)
    assert other.json()["code"] == "idempotency-key-reused"
    assert stored()["jobs"] == 1
