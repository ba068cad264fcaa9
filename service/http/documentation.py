"""The OpenAPI document: FastAPI's own, with problems, HEAD, headers and example specs added.

A test posts each of the example specs.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ridgeline.api.problems import Problem, ProblemCode
from service.http.problems import responses
from service.http.spec_faults import walk

BODY_PROBLEMS = (
    ProblemCode.MALFORMED_JSON,
    ProblemCode.INVALID_SPEC,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.UNAVAILABLE,
)
"""The problems of a route that accepts a spec."""
BODY_TOO_SLOW: dict[int | str, dict[str, Any]] = {
    408: {
        **responses(ProblemCode.INVALID_REQUEST)[422],
        "description": "The body did not arrive in time (`invalid-request`)",
    }
}
"""The response to a body that does not arrive, for routes that read one."""
DIGITS: dict[str, Any] = {
    "name": "digits-l2-dropout",
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.2, "test": 0.1, "stratify": True},
    "model": {
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "regularization": {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3, "after": ["dense"]}},
    "training": {
        "epochs": 30,
        "batch_size": 32,
        "optimizer": {"name": "adam", "learning_rate": 0.001},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "seed": 7,
    },
    "outputs": ["keras", "saved_model"],
    "tags": ["demo"],
}
IRIS: dict[str, Any] = {
    "dataset": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy"},
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "digits": {"summary": "Handwritten digits, with L2 and dropout", "value": DIGITS},
    "iris": {"summary": "The smallest spec", "value": IRIS},
}
SPEC_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobSpec"},
                "examples": EXAMPLES,
            }
        },
    }
}
"""The body of a route that accepts a spec. The route reads the bytes itself, to bound them."""
_HEADERS = {
    "Accept-Ranges": "`bytes`.",
    "Cache-Control": "`no-store` for what must not be cached.",
    "Content-Disposition": "The file's name.",
    "Accept-Post": "Media types that the path accepts.",
    "Content-Location": "The path of the job in the body.",
    "Content-Range": "Which bytes of the file the body holds, and the size of the file.",
    "ETag": "Identifies this version of the representation; send it as If-None-Match.",
    "Idempotent-Replayed": "`true` where an earlier request with this key created the job.",
    "Link": 'The next page, as `rel="next"`.',
    "Location": "The path of what was created; for a redirect, the URL of the file.",
    "Preference-Applied": "The preferences that were applied.",
    "Repr-Digest": "SHA-256 of the whole file (RFC 9530).",
    "Retry-After": "Seconds after which to send the request again; absent once the job has ended.",
    "Vary": "`Accept`.",
}
_REFERENCES = "#/components/schemas/{model}"
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def headers(*names: str) -> dict[str, Any]:
    """Document the response headers of these names."""
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def file_content() -> dict[str, Any]:
    """Document a body of bytes of any media type."""
    return {"*/*": {"schema": {"type": "string", "format": "binary"}}}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the API."""
    spec = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    _declare_problems(spec)
    _require_tags(spec["components"]["schemas"])
    for path in spec["paths"].values():
        if "get" in path:
            path["head"] = _head(path["get"])
    return spec


def _declare_problems(spec: dict[str, Any]) -> None:
    """Add the problem's schema, and remove FastAPI's own errors, which are never sent."""
    schemas = spec["components"]["schemas"]
    schema = Problem.model_json_schema(ref_template=_REFERENCES)
    schemas |= schema.pop("$defs") | {"Problem": schema}
    for operation in _operations(spec):
        validation = operation["responses"].get("422", {})
        if "application/json" in validation.get("content", {}):
            del operation["responses"]["422"]
    for name in _FASTAPI_ERRORS:
        schemas.pop(name, None)
    spec["components"]["schemas"] = dict(sorted(schemas.items()))


def _require_tags(schemas: dict[str, Any]) -> None:
    """Require the field that selects a union's member: only in Python has it a default."""
    for union in [node for node in _nodes(schemas) if "discriminator" in node]:
        if "x-default-tag" in union:
            del union["discriminator"]  # OpenAPI 3.1 does not allow a discriminator to be left out
            continue
        name = union["discriminator"]["propertyName"]
        for reference in union["discriminator"]["mapping"].values():
            member = schemas[reference.rpartition("/")[2]]
            member["required"] = list(dict.fromkeys([name, *member.get("required", [])]))
            member["properties"][name].pop("default", None)


def _head(get: dict[str, Any]) -> dict[str, Any]:
    """HEAD like GET, without the bodies."""
    bodiless = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in get["responses"].items()
    }
    return {**get, "operationId": f"{get['operationId']}_head", "responses": bodiless}


def _operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in spec["paths"].values():
        yield from path.values()


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    for _, node in walk(value):
        if isinstance(node, dict):
            yield node
