"""GET /jobs/{id}/charts and its pictures, drawn by the real child process."""

import json
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.curves import ChartEntry, EpochRow
from ridgeline.charts import CHARTS
from service.errors import RendererBusy, RenderingFailed
from service.services import Services

SVG, PNG, VEGA_LITE = "image/svg+xml", "image/png", "application/vnd.vegalite+json"
NAMED = 'Losses · small <job> & "co"'


@pytest.fixture
def ended(submit: Callable[..., str], worker: Any) -> str:
    job_id = submit(name='small <job> & "co"')
    worker.train(job_id, epochs=4)
    return job_id


def test_the_list_says_which_charts_have_data(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    entries = _entries(client, job_id)
    assert tuple(entries) == CHARTS
    assert not any(entry.available for entry in entries.values())
    worker.train(job_id, epochs=2)
    entries = _entries(client, job_id)
    assert {name for name, entry in entries.items() if entry.available} == {"losses", "penalty"}
    for entry in entries.values():
        assert client.get(entry.href).status_code == 200


def test_vega_lite_is_the_default(client: TestClient, ended: str) -> None:
    wanted = {"*/*": VEGA_LITE, VEGA_LITE: VEGA_LITE, "application/json": "application/json"}
    for accept, media_type in wanted.items():
        answer = client.get(f"/jobs/{ended}/charts/losses", headers={"Accept": accept})
        assert answer.headers["content-type"] == media_type
        spec = answer.json()
        assert spec["$schema"].endswith("/vega-lite/v6.json")
        assert spec["title"]["text"] == NAMED
        assert [row["epoch"] for row in spec["datasets"]["epochs"]] == [1, 2, 3, 4]


def test_pictures_have_the_requested_size(client: TestClient, ended: str) -> None:
    for name in CHARTS:
        path = f"/jobs/{ended}/charts/{name}?width=500&height=360&theme=dark"
        svg = client.get(path, headers={"Accept": SVG})
        assert (svg.status_code, svg.headers["content-type"]) == (200, SVG)
        root = ET.fromstring(svg.content)  # noqa: S314 - our own picture
        assert float(root.attrib["width"]) == pytest.approx(500, abs=8)
        assert float(root.attrib["height"]) == pytest.approx(360, abs=12)
        assert "sandbox" in svg.headers["content-security-policy"]
        png = client.get(f"{path}&scale=2", headers={"Accept": PNG})
        assert (png.status_code, png.headers["content-type"]) == (200, PNG)
        assert png.content.startswith(b"\x89PNG")
        assert struct.unpack(">I", png.content[16:20])[0] == pytest.approx(1000, abs=16)
        assert png.headers["content-disposition"] == f'inline; filename="{name}.png"'


def test_a_picture_is_inert_and_described(client: TestClient, ended: str) -> None:
    svg = client.get(f"/jobs/{ended}/charts/losses", headers={"Accept": SVG}).text
    root = ET.fromstring(svg)  # noqa: S314 - our own picture
    names = {"svg": "http://www.w3.org/2000/svg"}
    assert root.attrib["role"] == "img"
    title, description = root.find("svg:title", names), root.find("svg:desc", names)
    assert title is not None
    assert title.text == NAMED
    assert description is not None
    assert "Training loss went from 1 to 0.25" in (description.text or "")
    known = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"' ]+", svg)) <= known
    assert "<script" not in svg.lower()
    assert "Liberation Sans, Arial, Helvetica, sans-serif" in svg


def test_a_picture_has_the_same_bytes_every_time(client: TestClient, ended: str) -> None:
    for accept in (SVG, PNG, VEGA_LITE):
        headers = {"Accept": accept}
        path = f"/jobs/{ended}/charts/losses"
        first, second = (client.get(path, headers=headers) for _ in range(2))
        assert first.content == second.content
        assert first.headers["etag"] == second.headers["etag"]


def test_a_current_picture_is_not_drawn_again(
    client: TestClient, ended: str, services: Services
) -> None:
    path, headers = f"/jobs/{ended}/charts/losses", {"Accept": SVG}
    tag = client.get(path, headers=headers).headers["etag"]
    services.renderer.close()
    again = client.get(path, headers={**headers, "If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for other in ("?theme=dark", "?width=300", "?max_points=3"):
        answer = client.get(path + other, headers={**headers, "If-None-Match": tag})
        assert answer.status_code == 503  # it is another picture
    assert not tag.startswith("W/")


def test_a_running_jobs_tag_is_weak_and_changes_with_each_epoch(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    claim = worker.claim(job_id)
    tags = set()
    for epoch in (1, 2, 3):
        worker.epochs(
            claim, EpochRow(epoch=epoch, values={"loss": 1.0}, penalty_by_layer={}, seconds=1)
        )
        tags.add(client.get(f"/jobs/{job_id}/charts/losses").headers["etag"])
    assert len(tags) == 3
    assert all(tag.startswith('W/"') for tag in tags)


def test_curves_as_a_picture(client: TestClient, ended: str) -> None:
    for accept, media_type in {SVG: SVG, PNG: PNG, "image/*": SVG}.items():
        headers = {"Accept": accept}
        curves = client.get(f"/jobs/{ended}/curves?max_points=3", headers=headers)
        chart = client.get(f"/jobs/{ended}/charts/losses?max_points=3", headers=headers)
        assert curves.headers["content-type"] == media_type
        assert curves.content == chart.content
        headers["If-None-Match"] = curves.headers["etag"]
        assert client.get(f"/jobs/{ended}/curves?max_points=3", headers=headers).status_code == 304


HOSTILE = {
    "width=239": "?width",
    "width=2401": "?width",
    "height=100000000": "?height",
    "scale=1e9": "?scale",
    "scale=nan": "?scale",
    "scale=0": "?scale",
    "theme=sepia": "?theme",
    "max_points=1": "?max_points",
    "max_points=99999": "?max_points",
    "colour=red": "?colour",
    "width=2400&height=1600&scale=4": "?scale",
}


def test_hostile_sizes_are_rejected(client: TestClient, ended: str, services: Services) -> None:
    for query, pointer in HOSTILE.items():
        answer = client.get(f"/jobs/{ended}/charts/losses?{query}", headers={"Accept": PNG})
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert services.renderer.pid is None


def test_an_unknown_chart_is_not_found(client: TestClient, ended: str) -> None:
    answer = client.get(f"/jobs/{ended}/charts/Losses")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "learning_rate" in answer.json()["detail"]
    assert client.get("/jobs/job_1/charts/losses").status_code == 404
    assert client.get("/jobs/job_1/charts").status_code == 404
    answer = client.get(f"/jobs/{ended}/charts/losses", headers={"Accept": "image/gif"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


def test_head_has_the_headers_of_get(client: TestClient, ended: str) -> None:
    path, headers = f"/jobs/{ended}/charts/losses", {"Accept": SVG}
    head, get = client.head(path, headers=headers), client.get(path, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == get.headers["etag"]


@pytest.mark.parametrize(
    ("error", "words"), [(RendererBusy(), "wait"), (RenderingFailed("x"), "log")]
)
def test_a_picture_that_cannot_be_drawn_now_is_503(
    client: TestClient,
    ended: str,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    async def fail(request: bytes) -> bytes:
        raise error

    monkeypatch.setattr(services.renderer, "render", fail)
    answer = client.get(f"/jobs/{ended}/charts/losses", headers={"Accept": SVG})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert words in answer.json()["detail"]


def test_a_chart_of_many_epochs_keeps_the_extremes(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    claim = worker.claim(job_id)
    rows = [
        EpochRow(
            epoch=epoch,
            values={"loss": 50.0 if epoch == 1234 else 1.0},
            penalty_by_layer={},
            seconds=1,
        )
        for epoch in range(1, 3001)
    ]
    worker.epochs(claim, *rows)
    spec = client.get(f"/jobs/{job_id}/charts/losses").json()
    shown = {row["epoch"]: row["loss"] for row in spec["datasets"]["epochs"]}
    assert len(shown) <= 500
    assert (shown[1234], shown[1], shown[3000]) == (50.0, 1.0, 1.0)


def _entries(client: TestClient, job_id: str) -> dict[str, ChartEntry]:
    answer = client.get(f"/jobs/{job_id}/charts")
    found = [ChartEntry.model_validate_json(json.dumps(each)) for each in answer.json()]
    return {entry.name: entry for entry in found}
