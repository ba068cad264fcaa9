"""GET /presets and /presets/{name}: networks with a job to post."""

import pytest
from starlette.testclient import TestClient

from ridgeline.api.catalog import PresetEntry
from ridgeline.spec.presets import PRESETS


def test_every_preset_can_be_posted_as_it_is(client: TestClient) -> None:
    entries = client.get("/presets").json()
    assert [entry["name"] for entry in entries] == list(PRESETS)
    for entry in entries:
        assert client.get(f"/presets/{entry['name']}").json() == entry
        answer = client.post("/jobs", json=entry["spec"])
        assert answer.status_code == 202
        job = client.get(answer.headers["location"]).json()
        assert job["spec"] == entry["spec"]
        assert len(job["resolved"]["model"]["layers"]) >= 5


@pytest.mark.parametrize("path", ["/presets", "/presets/vgg_like", "/presets/vgg_like?units=3"])
def test_unchanged_presets_are_not_sent_again(path: str, client: TestClient) -> None:
    answer = client.get(path)
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(path).headers["etag"] == answer.headers["etag"]
    other = client.get("/presets/vgg_like?units=4")
    assert other.headers["etag"] != answer.headers["etag"]


def test_parameters_replace_the_presets_own(client: TestClient) -> None:
    answer = client.get("/presets/cifar10_cnn?base_hidden_units=8&batch_normalization=true")
    entry = PresetEntry.model_validate_json(answer.content)
    assert entry.spec.model.model_dump()["base_hidden_units"] == 8
    layers = {layer.type_name() for layer in entry.spec.model.layers}
    assert "BatchNormalization" in layers
    assert entry.parameters[0].default == 32


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ("rate=1", "?rate", "expected a finite number"),
        ("rate=NaN", "?rate", "not finite"),
        ("rate=high", "?rate", "received a string"),
        ("units=3.0", "?units", "received a decimal number"),
        ("units=null", "?units", "received null"),
        ("units=" + "9" * 5000, "?units", "expected an integer"),
        ("units=" + "[" * 5000, "?units", "expected an integer"),
        ("input_size=100", "?input_size", "ImdbMLP has no such field"),
        ("layers=[]", "?layers", "unknown parameter"),
        ("preset=vgg_like", "?preset", "unknown parameter"),
    ],
)
def test_wrong_parameters_are_rejected(
    query: str, pointer: str, words: str, client: TestClient
) -> None:
    answer = client.get(f"/presets/imdb_mlp?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert words in fault["detail"]


def test_an_unknown_preset_is_not_found(client: TestClient) -> None:
    answer = client.get("/presets/resnet")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "vgg_like" in answer.json()["detail"]
