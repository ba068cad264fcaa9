"""The OpenAPI document: FastAPI's, with the problems it does not know and without its own."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ridgeline.api.problems import Problem
from service.http.faults import walk

_REFERENCES = "#/components/schemas/{model}"
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the API."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    _declare_problems(found)
    _require_tags(found["components"]["schemas"])
    for path in found["paths"].values():
        if "get" in path:
            path["head"] = _head(path["get"])
    return found


def _declare_problems(found: dict[str, Any]) -> None:
    """Put the problem's schema in, and take out FastAPI's own errors, which are never sent."""
    schemas = found["components"]["schemas"]
    schema = Problem.model_json_schema(ref_template=_REFERENCES)
    schemas |= schema.pop("$defs") | {"Problem": schema}
    for operation in _operations(found):
        validation = operation["responses"].get("422", {})
        if "application/json" in validation.get("content", {}):
            del operation["responses"]["422"]
    for name in _FASTAPI_ERRORS:
        schemas.pop(name, None)
    found["components"]["schemas"] = dict(sorted(schemas.items()))


def _require_tags(schemas: dict[str, Any]) -> None:
    """Require the field that tells a union's members apart: only in Python has it a default."""
    for union in [node for node in _nodes(schemas) if "discriminator" in node]:
        if "x-default-tag" in union:
            del union["discriminator"]  # in OpenAPI 3.1 no tag may be left out
            continue
        name = union["discriminator"]["propertyName"]
        for reference in union["discriminator"]["mapping"].values():
            member = schemas[reference.rpartition("/")[2]]
            member["required"] = list(dict.fromkeys([name, *member.get("required", [])]))
            member["properties"][name].pop("default", None)


def _head(get: dict[str, Any]) -> dict[str, Any]:
    """HEAD as GET, less the bodies."""
    bodiless = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in get["responses"].items()
    }
    return {**get, "operationId": f"{get['operationId']}_head", "responses": bodiless}


def _operations(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in found["paths"].values():
        yield from path.values()


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    for _, node in walk(value):
        if isinstance(node, dict):
            yield node
