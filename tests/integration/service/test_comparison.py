"""GET /compare."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.comparison import Comparison
from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus

Submit = Callable[..., str]


@pytest.fixture
def two(submit: Submit, worker: Any) -> list[str]:
    """A job that has ended after four epochs, and one in its second."""
    first = submit(name="plain")
    worker.train(first, epochs=4)
    second = submit(name="more", training={**TRAINING, "batch_size": 8})
    claim = worker.claim(second)
    for epoch in (1, 2):
        row = EpochRow(
            epoch=epoch, values={"loss": 3.0}, penalty_by_layer={"dense/kernel/l2": 1.0}, seconds=1
        )
        worker.epochs(claim, row)
    return [first, second]


TRAINING = {"loss": "sparse_categorical_crossentropy", "epochs": 5}


def test_differences_and_curves_are_returned(client: TestClient, two: list[str]) -> None:
    first, second = two
    answer = client.get(f"/compare?jobs={first},{second}")
    assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")
    found = Comparison.model_validate_json(answer.content)
    assert [(job.id, job.name, job.status) for job in found.jobs] == [
        (first, "plain", JobStatus.SUCCEEDED),
        (second, "more", JobStatus.RUNNING),
    ]
    assert found.jobs[0].metrics == {"loss": 0.5, "val_loss": None}
    listed = {each.pointer: each.values for each in found.differences}
    assert listed["/name"] == {first: "plain", second: "more"}
    assert listed["/training/batch_size"][second] == 8
    (batch_size,) = [each for each in found.differences if each.label == "training.batch_size"]
    assert batch_size.pointers == {second: "/training/batch_size"}
    assert found.curves[first].epoch == (1, 2, 3, 4)
    assert found.curves[second].epoch == (1, 2)
    assert found.curves[second].series == {"loss": (3.0, 3.0)}
    assert [curves.complete for curves in found.curves.values()] == [True, False]


def test_an_inserted_layer_is_one_difference(client: TestClient, submit: Submit) -> None:
    dense = {"type": "Dense", "units": 8}
    drop = {"type": "Dropout", "rate": 0.5}
    output = {"type": "Dense", "units": 3, "activation": "softmax"}
    plain = submit(model={"layers": [dense, output]})
    dropping = submit(model={"layers": [dense, drop, output]})
    for jobs in ((plain, dropping), (dropping, plain)):
        (found,) = client.get(f"/compare?jobs={','.join(jobs)}").json()["differences"]
        assert found == {
            "label": "Dropout after dense",
            "pointer": "/model/layers/1",
            "pointers": {dropping: "/model/layers/1"},
            "values": {dropping: drop},
        }


def test_long_curves_are_thinned_to_the_same_epochs(
    client: TestClient, submit: Submit, worker: Any
) -> None:
    ids = [submit(), submit()]
    for job_id, spike in zip(ids, (777, 1234), strict=True):
        claim = worker.claim(job_id)
        rows = [
            EpochRow(
                epoch=epoch,
                values={"loss": 9.0 if epoch == spike else 1.0},
                penalty_by_layer={},
                seconds=1,
            )
            for epoch in range(1, 1500)
        ]
        worker.epochs(claim, *rows)
    answer = client.get(f"/compare?jobs={','.join(ids)}&max_points=40")
    found = Comparison.model_validate_json(answer.content)
    epochs = {curves.epoch for curves in found.curves.values()}
    assert len(epochs) == 1
    assert {1, 777, 1234, 1499} <= set(*epochs)
    assert len(*epochs) <= 40


def test_a_comparison_is_available_as_a_chart(client: TestClient, two: list[str]) -> None:
    path = f"/compare?jobs={','.join(two)}"
    spec = client.get(path, headers={"Accept": "application/vnd.vegalite+json"}).json()
    assert spec["title"]["text"] == "Loss compared"
    assert [row for row in spec["datasets"]["training_lines"] if row["series"] == "more"] == [
        {"epoch": 1, "series": "more", "value": 3.0},
        {"epoch": 2, "series": "more", "value": 3.0},
    ]
    png = client.get(f"{path}&theme=dark", headers={"Accept": "image/png"})
    assert png.content.startswith(b"\x89PNG")
    svg = client.get(f"{path}&measure=accuracy", headers={"Accept": "image/svg+xml"})
    assert "None of the jobs measured it; try loss." in svg.text


def test_jobs_without_epochs_are_compared(client: TestClient, submit: Submit) -> None:
    path = f"/compare?jobs={submit()},{submit()}"
    svg = client.get(path, headers={"Accept": "image/svg+xml"})
    assert "None of the jobs measured it yet." in svg.text


def test_the_tag_depends_on_every_job(
    client: TestClient, two: list[str], submit: Submit, worker: Any
) -> None:
    path = f"/compare?jobs={','.join(two)}"
    tag = client.get(path).headers["etag"]
    assert tag.startswith('W/"')  # one of them has not ended
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    other = submit()
    worker.train(other)
    path = f"/compare?jobs={two[0]},{other}"
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200
    assert not client.get(path).headers["etag"].startswith("W/")


def test_a_wrong_list_of_jobs_is_rejected(client: TestClient, two: list[str]) -> None:
    first, second = two
    unknown = f"job_{'0' * 32}"
    for jobs in ("", first, f"{first},{first}", ",".join(f"job_{n:032x}" for n in range(21))):
        answer = client.get("/compare", params={"jobs": jobs})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "?jobs"
    assert client.get("/compare").status_code == 422
    assert client.get(f"/compare?jobs={first},{unknown}").status_code == 404
    both = f"/compare?jobs={first},{second}"
    assert client.get(both, headers={"Accept": "text/html"}).status_code == 406
    assert client.get(f"{both}&measure=Loss!").status_code == 422
    huge = client.get(f"{both}&width=2400&height=1600&scale=4", headers={"Accept": "image/png"})
    assert huge.status_code == 422
