"""GET /jobs/{id}/curves."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.curves import Curves, EpochRow

NONFINITE = EpochRow(
    epoch=2, values={"loss": None}, penalty_by_layer={}, nonfinite=("loss",), seconds=1
)


def test_curves_grow_and_become_complete(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    path = f"/jobs/{(job_id := submit())}/curves"
    empty = Curves.model_validate_json(client.get(path).content)
    assert (empty.epoch, empty.complete) == ((), False)
    worker.train(job_id, epochs=4)
    full = Curves.model_validate_json(client.get(path).content)
    assert (full.job_id, full.epoch, full.complete) == (job_id, (1, 2, 3, 4), True)
    assert full.series["val_loss"] == (2.0, 1.0, 2 / 3, 0.5)
    assert full.penalty_by_layer == {"dense/kernel/l2": (0.25,) * 4}


def test_a_value_that_was_not_finite_is_null_and_marked(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    claim = worker.claim(job_id)
    worker.epochs(claim, NONFINITE)
    answer = client.get(f"/jobs/{job_id}/curves")
    assert answer.json()["series"] == {"loss": [None]}
    assert answer.json()["nonfinite"] == {"loss": [2]}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv; header=present; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; header=present; charset=utf-8"),
        ("text/*;q=0.1, application/json;q=0", "text/csv; header=present; charset=utf-8"),
    ],
)
def test_accept_chooses_the_format(
    client: TestClient, submit: Callable[..., str], worker: Any, accept: str | None, media_type: str
) -> None:
    job_id = submit()
    worker.train(job_id, epochs=2)
    headers = {"Accept": accept} if accept else {}
    answer = client.get(f"/jobs/{job_id}/curves", headers=headers)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept"
    if "csv" in media_type:
        assert answer.text == (
            "epoch,loss,val_loss,dense/kernel/l2,nonfinite\r\n"
            "1,1.0,2.0,0.25,\r\n"
            "2,0.5,1.0,0.25,\r\n"
        )


@pytest.mark.parametrize("query", ["", "?max_points=3"])
def test_curves_are_available_as_lines_of_json(
    client: TestClient, submit: Callable[..., str], worker: Any, query: str
) -> None:
    path = f"/jobs/{(job_id := submit())}/curves{query}"
    headers = {"Accept": "application/x-ndjson"}
    assert client.get(path, headers=headers).text == ""
    worker.train(job_id, epochs=2500)
    answer = client.get(path, headers=headers)
    assert answer.headers["content-type"] == "application/x-ndjson"
    rows = [EpochRow.model_validate_json(line) for line in answer.text.splitlines()]
    epochs = [row.epoch for row in rows]
    if query:
        assert (epochs[0], epochs[-1], len(epochs) <= 3) == (1, 2500, True)
    else:
        assert epochs == list(range(1, 2501))
    assert rows[-1].values == {"loss": 1 / 2500, "val_loss": 2 / 2500}


@pytest.mark.parametrize("accept", ["image/gif", "application/json;q=0", "text/html"])
def test_an_unknown_format_is_406(
    client: TestClient, submit: Callable[..., str], accept: str
) -> None:
    answer = client.get(f"/jobs/{submit()}/curves", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")
    assert "text/csv" in answer.json()["detail"]


def test_max_points_thins_the_curves(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    worker.train(job_id, epochs=200)
    epochs = client.get(f"/jobs/{job_id}/curves?max_points=10").json()["epoch"]
    assert len(epochs) <= 10
    assert (epochs[0], epochs[-1]) == (1, 200)


def test_marks_of_thinned_epochs_are_left_out(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    claim = worker.claim(job_id := submit())
    worker.epochs(claim, *(NONFINITE.model_copy(update={"epoch": epoch}) for epoch in range(1, 10)))
    answer = client.get(f"/jobs/{job_id}/curves?max_points=2")
    assert answer.json()["nonfinite"] == {"loss": [1, 9]}
