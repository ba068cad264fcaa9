"""Unknown query parameters are rejected: a misspelled one would have no effect."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

UNKNOWN = "job_" + "0" * 32


@pytest.mark.parametrize(
    ("path", "pointer", "words"),
    [
        (f"/jobs/{UNKNOWN}?waitt=5", "?waitt", "did you mean wait?"),
        (f"/jobs/{UNKNOWN}/curves?format=csv", "?format", "expected one of max_points"),
        (f"/jobs/{UNKNOWN}/curves?maxpoints=9", "?maxpoints", "did you mean max_points?"),
        (f"/jobs/{UNKNOWN}/artifacts?x=1", "?x", "this path has no parameters"),
        ("/jobs?limits=5", "?limits", "did you mean limit?"),
        ("/catalog?a", "?a", "this path has no parameters"),
        ("/presets?rate=0.3", "?rate", "this path has no parameters"),
        ("/presets/imdb_mlp?ratee=0.3", "?ratee", "did you mean rate?"),
        ("/healthz?a=b", "?a", "this path has no parameters"),
        ("/readyz?" + "a" * 500, "?" + "a" * 64, "this path has no parameters"),
    ],
)
def test_an_unknown_parameter_of_get_is_rejected(
    client: TestClient, path: str, pointer: str, words: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["rule"]) == (pointer, "unknown-parameter")
    assert words in fault["detail"]


@pytest.mark.parametrize("path", ["/jobs", "/jobs/validate", f"/jobs/{UNKNOWN}/cancel"])
def test_an_unknown_parameter_of_other_methods_is_rejected(client: TestClient, path: str) -> None:
    answer = client.post(f"{path}?wait=5", json={})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?wait")


def test_known_parameters_are_accepted(client: TestClient, submit: Callable[..., str]) -> None:
    job_id = submit(tags=["a"])
    for path in (
        f"/jobs/{job_id}?wait=0",
        f"/jobs/{job_id}/curves?max_points=5",
        "/jobs?status=queued&status=running&tag=a&limit=3",
    ):
        assert client.get(path).status_code == 200
    assert client.head(f"/jobs/{job_id}?wait=0").status_code == 200


def test_a_pattern_is_described_in_words(client: TestClient) -> None:
    answers = (
        client.get("/jobs?after=x"),
        client.post("/jobs", json={}, headers={"Idempotency-Key": "a b"}),
    )
    for answer, words in zip(
        answers, ("`next` of the previous page", "visible ASCII"), strict=True
    ):
        assert answer.status_code == 422
        (fault,) = answer.json()["errors"]
        assert words in fault["detail"]
        assert "^" not in fault["detail"]


def test_a_path_parameter_has_its_own_pointer(client: TestClient) -> None:
    answer = client.put("/uploads/up_1/parts/0", content=b"x")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "{number}"
