"""The OpenAPI document: current, complete, and consistent with the schemas."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from service import openapi

RENDERED = openapi.rendered()
DOCUMENT = json.loads(RENDERED)
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
ROUTES = {
    ("post", "/jobs"): {200, 202, 400, 408, 413, 415, 422, 500, 503},
    ("get", "/jobs"): {200, 422, 500, 503},
    ("post", "/jobs/validate"): {200, 400, 408, 413, 415, 422, 500, 503},
    ("get", "/jobs/{job_id}"): {200, 304, 404, 422, 500, 503},
    ("delete", "/jobs/{job_id}"): {204, 404, 409, 422, 500, 503},
    ("get", "/jobs/{job_id}/attempts"): {200, 304, 404, 422, 500, 503},
    ("post", "/jobs/{job_id}/cancel"): {200, 202, 404, 409, 422, 500, 503},
    ("post", "/jobs/{job_id}/pause"): {200, 202, 404, 409, 422, 500, 503},
    ("post", "/jobs/{job_id}/resume"): {200, 202, 404, 409, 422, 500, 503},
    ("get", "/jobs/{job_id}/charts"): {200, 404, 422, 500, 503},
    ("get", "/jobs/{job_id}/charts/{name}"): {200, 304, 404, 406, 422, 500, 503},
    ("get", "/jobs/{job_id}/curves"): {200, 304, 404, 406, 422, 500, 503},
    ("get", "/compare"): {200, 304, 404, 406, 422, 500, 503},
    ("get", "/jobs/{job_id}/events"): {200, 404, 406, 422, 500, 503},
    ("get", "/jobs/{job_id}/logs"): {200, 404, 406, 422, 500, 503},
    ("get", "/jobs/{job_id}/report"): {200, 304, 404, 409, 422, 500, 503},
    ("get", "/jobs/{job_id}/artifacts"): {200, 404, 422, 500, 503},
    ("get", "/jobs/{job_id}/artifacts/{name}"): {200, 206, 304, 307, 404, 410, 416, 422, 500, 503},
    ("post", "/datasets"): {200, 201, 400, 408, 409, 413, 415, 422, 500, 503},
    ("get", "/datasets"): {200, 422, 500, 503},
    ("get", "/datasets/{dataset_id}"): {200, 404, 422, 500, 503},
    ("delete", "/datasets/{dataset_id}"): {204, 404, 409, 422, 500, 503},
    ("get", "/datasets/{dataset_id}/content"): {
        *(200, 206, 304, 307, 404, 410, 416, 422, 500, 503),
    },
    ("post", "/uploads"): {200, 201, 400, 408, 413, 415, 422, 500, 503},
    ("get", "/uploads/{upload_id}"): {200, 404, 422, 500, 503},
    ("delete", "/uploads/{upload_id}"): {204, 404, 422, 500, 503},
    ("put", "/uploads/{upload_id}/parts/{number}"): {
        *(204, 400, 404, 408, 409, 413, 415, 422, 500, 503),
    },
    ("post", "/uploads/{upload_id}/complete"): {200, 201, 400, 404, 409, 413, 422, 500, 503},
    ("get", "/catalog"): {200, 304, 422, 500},
    ("get", "/presets"): {200, 304, 422, 500},
    ("get", "/presets/{name}"): {200, 304, 404, 422, 500},
    ("get", "/workers"): {200, 422, 500, 503},
    ("get", "/metrics"): {200, 422, 500},
    ("get", "/healthz"): {200, 422, 500},
    ("get", "/readyz"): {200, 422, 500, 503},
}


def test_the_committed_document_is_current() -> None:
    assert openapi.main(["--check"]) == 0, "run: python -m service.openapi"


def test_check_reports_an_outdated_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openapi, "rendered", lambda: RENDERED)  # rendering takes a second
    path = tmp_path / "new" / "openapi.json"
    assert openapi.main(["--check", "--path", str(path)]) == 1
    assert openapi.main(["--path", str(path)]) == 0
    assert openapi.main(["--check", "--path", str(path)]) == 0
    path.write_text(path.read_text().replace("Ridgeline", "Other", 1))
    assert openapi.main(["--check", "--path", str(path)]) == 1
    assert "run: python -m service.openapi" in capsys.readouterr().err


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((openapi.PATH.parents[1] / "pyproject.toml").read_text())["project"]
    assert DOCUMENT["info"]["version"] == project["version"]


def test_the_document_is_deterministic() -> None:
    assert openapi.rendered() == RENDERED


def test_every_route_documents_its_statuses() -> None:
    documented = {
        (method, path): {int(status) for status in operation["responses"]}
        for method, path, operation in OPERATIONS
        if method != "head"
    }
    assert documented == ROUTES


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda value: str(value)[:40]
)
def test_every_error_is_a_problem(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if int(status) < 400 or method == "head":
            continue
        (media_type,) = answer["content"]
        assert media_type == "application/problem+json"
        assert answer["content"][media_type]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_every_get_has_a_head() -> None:
    for methods in DOCUMENT["paths"].values():
        if "get" in methods:
            assert set(methods["head"]["responses"]) == set(methods["get"]["responses"])
            assert not any("content" in answer for answer in methods["head"]["responses"].values())


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_every_reference_has_a_schema() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    text = json.dumps(DOCUMENT)
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(schemas)
    assert "HTTPValidationError" not in schemas


@pytest.mark.parametrize("path", ["/jobs", "/jobs/validate"])
def test_examples_fit_the_schema(path: str) -> None:
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    validator = jsonschema.Draft202012Validator(
        {**content["schema"], "components": DOCUMENT["components"]}
    )
    assert len(content["examples"]) == 2
    for example in content["examples"].values():
        validator.validate(example["value"])


def test_a_layer_without_type_does_not_fit_the_schema() -> None:
    schema = {"$ref": "#/components/schemas/Model", "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"layers": [{"type": "Dense", "units": 3}]})
    assert not validator.is_valid({"layers": [{"units": 3}]})


def test_a_model_is_layers_or_a_preset() -> None:
    model = DOCUMENT["components"]["schemas"]["JobSpec"]["properties"]["model"]
    validator = jsonschema.Draft202012Validator({**model, "components": DOCUMENT["components"]})
    assert validator.is_valid({"layers": [{"type": "Dense", "units": 3}]})
    assert validator.is_valid({"preset": "vgg_like", "input_size": None})
    assert not validator.is_valid({"preset": "vgg_like", "layers": []})
    assert not validator.is_valid({"units": 16})


def test_the_parameters_of_presets_are_documented() -> None:
    parameters = DOCUMENT["paths"]["/presets/{name}"]["get"]["parameters"]
    query = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}
    assert {"rate", "units", "base_hidden_units", "input_size"} <= set(query)
    assert query["rate"]["schema"] == {"type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0}
    assert "imdb_mlp, imdb_mlp_half" in query["rate"]["description"]
