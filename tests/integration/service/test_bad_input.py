"""Bad input gets a 4xx problem with place and reason, fast, and nothing is stored."""

import asyncio
import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ridgeline.api.problems import Problem
from service.http.documentation import DIGITS, IRIS
from service.services import Services

JSON = {"Content-Type": "application/json"}
LAYER = ("model", "layers", 0)
LAYERS = ("model", "layers")
OUTPUT = {"type": "Dense", "units": 10, "activation": "softmax", "name": "out"}


def changed(path: tuple[str | int, ...], value: Any) -> str:
    body = copy.deepcopy(DIGITS)
    holder: Any = body
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    return json.dumps(body)


TEXT = json.dumps(DIGITS)
CYCLE = [
    {"type": "Add", "name": "a", "inputs": ["input", "b"]},
    {"type": "Dense", "name": "b", "units": 64, "inputs": ["a"]},
    {**OUTPUT, "inputs": ["b"]},
]
MISFIT = [
    {"type": "Dense", "units": 8, "name": "first"},
    {"type": "Conv2D", "filters": 2, "kernel_size": 3, "name": "second"},
    OUTPUT,
]
UNEVEN = [
    {"type": "Dense", "units": 8, "name": "x", "inputs": ["input"]},
    {"type": "Dense", "units": 9, "name": "y", "inputs": ["input"]},
    {"type": "Add", "name": "sum", "inputs": ["x", "y"]},
    OUTPUT,
]
DIAMONDS = [{"type": "Dense", "units": 10, "name": "s0"}] + [
    layer
    for number in range(250)
    for layer in (
        {
            "type": "Activation",
            "activation": "relu",
            "name": f"a{number}",
            "inputs": [f"s{number}"],
        },
        {
            "type": "Activation",
            "activation": "relu",
            "name": f"b{number}",
            "inputs": [f"s{number}"],
        },
        {"type": "Add", "name": f"s{number + 1}", "inputs": [f"a{number}", f"b{number}"]},
    )
]
GROWING = [
    layer
    for _ in range(250)
    for layer in (
        {"type": "Reshape", "target_shape": [-1, 1]},
        {"type": "Dense", "units": 2**31 - 1},
        {"type": "Flatten"},
    )
]

REFUSED: dict[str, tuple[str | bytes, int, str, str]] = {
    "unknown field": (changed((*LAYER, "unit"), 3), 422, "/model/layers/0/unit", "units"),
    "unknown layer": (changed((*LAYER, "type"), "Lambda"), 422, "/model/layers/0/type", "Dense"),
    "wrong type": (changed((*LAYER, "units"), "64"), 422, "/model/layers/0/units", "an integer"),
    "NaN": (
        changed(("regularization", "weights", "l2"), float("nan")),
        422,
        "/regularization/weights/l2",
        "finite",
    ),
    "1e999": (TEXT.replace("0.001}", "1e999}", 1), 422, "/regularization/weights/l2", "finite"),
    "negative λ": (
        changed(("regularization", "weights", "l2"), -1),
        422,
        "/regularization/weights/l2",
        "≥ 0",
    ),
    "rate 1": (
        changed(("regularization", "dropout", "rate"), 1),
        422,
        "/regularization/dropout/rate",
        "< 1",
    ),
    "shapes": (
        changed(LAYERS, MISFIT),
        422,
        "/model/layers/1",
        "'second' cannot accept the output of layer 'first'",
    ),
    "uneven": (changed(LAYERS, UNEVEN), 422, "/model/layers/2", "layer 'x' and layer 'y'"),
    "cycle": (changed(LAYERS, CYCLE), 422, "/model/layers/0/inputs", "cycle"),
    "loss": (changed((*LAYERS, 2, "units"), 7), 422, "/training/loss", "one unit per class"),
    "memory": (changed((*LAYER, "units"), 10**9), 422, "/model/layers/0", "GiB"),
    "growing": (changed(LAYERS, GROWING), 422, "/model/layers/4", "GiB"),
    "too many after the policy": (
        changed(LAYERS, [{"type": "Dense", "units": 4}] * 799 + [OUTPUT]),
        422,
        "/regularization/dropout",
        "800",
    ),
    "large": (b" " * (2**20 + 1), 413, "", "1048576"),
    "not UTF-8": (TEXT.encode().replace(b"demo", b"\xff"), 400, "", "UTF-8"),
    "lone surrogate": (TEXT.replace("demo", "\\ud800"), 400, "/tags/0", "surrogate"),
    "data set": (changed(("dataset", "name"), "mnist"), 422, "/dataset/name", "digits"),
    "its own test rows": (
        changed(("dataset",), {"source": "keras", "name": "mnist"}),
        422,
        "/split/test",
        "has its own test rows",
    ),
    "twice": (TEXT.replace('"seed": 7', '"seed": 7, "seed": 8'), 400, "/training/seed", "twice"),
    "deep": (b"[" * 1_000_000, 400, "", "deep"),
    "empty": (b"", 400, "", "line 1"),
    "trailing": (TEXT + "}", 400, "", "line 1"),
    "a list": ("[]", 422, "", "an object"),
    "flood": (json.dumps({**IRIS, "tags": [1] * 300_000}), 422, "", "50000"),
}


@pytest.mark.parametrize("path", ["/jobs", "/jobs/validate"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_spec_is_a_fast_problem_at_its_place(
    client: TestClient, case: str, path: str, stored: Callable[[], dict[str, int]]
) -> None:
    body, status, pointer, words = REFUSED[case]
    client.post(path, content="{}", headers=JSON)  # whatever is made once is made here
    before = stored()
    took = min(timed(client, path, body) for _ in range(2))
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    problem = Problem.model_validate_json(answer.content)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.status == status
    assert problem.type == f"urn:ridgeline:problem:{problem.code}"
    if status != 413:
        assert problem.errors[0].pointer == pointer
    assert words in problem.detail + "".join(fault.detail for fault in problem.errors)
    assert stored() == before
    assert took < 0.5  # it is milliseconds


def test_a_graph_with_exponentially_many_paths_is_fast(client: TestClient) -> None:
    """250 forks and joins are 2²⁵⁰ paths."""
    client.get("/healthz")  # the first request of an application builds its routes
    assert timed(client, "/jobs/validate", changed(LAYERS, DIAMONDS)) < 0.5
    answer = client.post("/jobs/validate", content=changed(LAYERS, DIAMONDS), headers=JSON)
    assert answer.status_code == 200


def timed(client: TestClient, path: str, body: str | bytes) -> float:
    began = time.process_time()  # its own work: the machine may be busy with other things
    client.post(path, content=body, headers=JSON)
    return time.process_time() - began


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/merge-patch+json"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type_is_415(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/jobs", content=TEXT.encode(), headers=headers)
    assert answer.status_code == 415
    assert answer.headers["accept-post"] == "application/json"
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("media_type", ["application/json;charset=UTF-8", "Application/JSON"])
def test_spellings_of_the_json_media_type_are_accepted(client: TestClient, media_type: str) -> None:
    answer = client.post("/jobs", content=TEXT.encode(), headers={"Content-Type": media_type})
    assert answer.status_code == 202


def test_a_large_body_without_a_length_is_cut_off(client: TestClient) -> None:
    sent = [0]

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            sent[0] += 1
            yield b" " * 100_000

    answer = client.post("/jobs", content=chunks(), headers=JSON)
    assert answer.status_code == 413


def test_a_body_that_does_not_arrive_is_408(
    app: FastAPI, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = services.settings.model_copy(update={"body_timeout_s": 0.01})
    monkeypatch.setattr(app.state, "services", replace(services, settings=impatient))
    answered: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/jobs",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(app(scope, receive, send))
    assert answered[0]["status"] == 408
    assert Problem.model_validate_json(answered[1]["body"]).code == "invalid-request"


def test_a_client_that_disconnects_stores_nothing(client: TestClient, app: FastAPI) -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        del message

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/jobs",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(app(scope, receive, send))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/jobs/", 404),
        ("GET", "/jobs/job_x", 404),
        ("GET", "/jobs/%00", 404),
        ("GET", "/jobs/job_" + "0" * 32, 404),
        ("GET", "/jobs/job_" + "0" * 32 + "%0A", 404),
        ("GET", "/jobs/..%2F..%2Fetc%2Fpasswd", 404),
        ("GET", "/jobs/job_" + "0" * 32 + "/curves", 404),
        ("GET", "/jobs/job_" + "0" * 32 + "/report", 404),
        ("GET", "/jobs/../report", 404),
        ("GET", "/jobs/job_" + "0" * 32 + "/artifacts", 404),
        ("GET", "/jobs/job_" + "0" * 32 + "/artifacts/model.keras", 404),
        ("POST", "/jobs/job_" + "0" * 32 + "/cancel", 404),
        ("POST", "/jobs/%FF/cancel", 404),
        ("DELETE", "/jobs/job_" + "0" * 32, 404),
        ("DELETE", "/jobs/x", 404),
        ("PUT", "/jobs", 405),
        ("PATCH", "/jobs/x", 405),
        ("OPTIONS", "/jobs", 405),
        ("GET", "/jobs/validate/x", 404),
        ("GET", "/jobs?limit=0", 422),
        ("GET", "/jobs?limit=101", 422),
        ("GET", "/jobs?limit=" + "9" * 5000, 422),
        ("GET", "/jobs?status=done", 422),
        ("GET", "/jobs?after=x", 422),
        ("GET", "/jobs?tag=", 422),
        ("GET", "/jobs?tag=%00", 422),
        ("GET", "/jobs?tag=" + "t" * 101, 422),
        ("GET", "/jobs?stauts=queued", 422),
        ("GET", "/jobs/x?wait=-1", 422),
        ("GET", "/jobs/x?wait=nan", 422),
        ("GET", "/jobs/x?wait=inf", 422),
        ("GET", "/jobs/x?wait=3601", 422),
        ("GET", "/jobs/x/curves?max_points=1", 422),
        ("GET", "/jobs/x/curves?max_points=10001", 422),
    ],
)
def test_wrong_paths_and_parameters_are_problems(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == status
    if status == 422:
        assert problem.errors[0].pointer == "?" + path.partition("?")[2].partition("=")[0]
        assert "9" * 100 not in answer.text


def test_a_405_lists_the_methods_of_the_path(client: TestClient) -> None:
    assert client.put("/jobs").headers["allow"] == "GET, HEAD, POST"
    assert client.put("/jobs/x").headers["allow"] == "GET, HEAD, DELETE"
    assert client.get("/jobs/x/cancel").headers["allow"] == "POST"


def test_an_internal_error_reveals_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr("ridgeline.storage.JobStore.get", fail)
    answer = client.get("/jobs/job_" + "0" * 32)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret" not in answer.text


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
PATHS: list[tuple[str | int, ...]] = [
    ("name",),
    ("dataset",),
    ("dataset", "name"),
    ("split",),
    ("split", "validation"),
    ("model",),
    LAYERS,
    LAYER,
    (*LAYER, "type"),
    (*LAYER, "units"),
    (*LAYER, "name"),
    (*LAYER, "inputs"),
    (*LAYER, "kernel_regularizer"),
    ("regularization",),
    ("regularization", "weights"),
    ("regularization", "dropout"),
    ("regularization", "dropout", "after"),
    ("training",),
    ("training", "loss"),
    ("training", "optimizer"),
    ("training", "optimizer", "learning_rate"),
    ("training", "metrics"),
    ("outputs",),
    ("tags",),
]

fuzzed = hypothesis_settings(
    max_examples=150,
    deadline=None,
    # One application serves all examples: they leave nothing behind that the next would see.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def is_answered(client: TestClient, body: bytes) -> None:
    answer = client.post("/jobs/validate", content=body, headers=JSON)
    assert answer.status_code in (200, 400, 422), (body, answer.text)
    if answer.status_code != 200:
        assert Problem.model_validate_json(answer.content).errors


@fuzzed
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered(client: TestClient, body: bytes) -> None:
    is_answered(client, body)


@fuzzed
@given(value=ANY_JSON)
def test_any_json_is_answered(client: TestClient, value: Any) -> None:
    is_answered(client, json.dumps(value).encode())


@fuzzed
@given(path=st.sampled_from(PATHS), value=ANY_JSON, extra=st.text())
def test_a_spec_with_any_member_gets_an_answer(
    client: TestClient, path: tuple[str | int, ...], value: Any, extra: str
) -> None:
    is_answered(client, changed(path, value).encode())
    is_answered(client, changed((*LAYER, extra), value).encode())


@fuzzed
@given(
    text=st.text(),
    header=st.sampled_from(["Accept", "Prefer", "Idempotency-Key", "If-None-Match", "Range"]),
)
def test_any_header_gets_an_answer(client: TestClient, header: str, text: str) -> None:
    value = (
        text.encode("utf-8", "ignore").replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")
    )
    headers = {header.encode(): value}
    for path in ("/catalog", "/metrics", "/jobs/x/curves", "/jobs/x/logs", "/jobs/x/artifacts/y"):
        assert client.get(path, headers=headers).status_code < 500
    prefer = {**headers, b"Content-Type": b"application/json"}
    assert client.post("/jobs", content=b"{}", headers=prefer).status_code == 422
