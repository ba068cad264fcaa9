"""`python -m service.openapi` writes openapi/openapi.json; with `--check` it compares only."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.openapi.utils import get_openapi

from ridgeline.contract.problems import Problem
from service.faults import walk
from service.main import create_app

PATH = Path(__file__).parent.parent / "openapi" / "openapi.json"
_REFERENCES = "#/components/schemas/{model}"
_FASTAPI_ERRORS = ("HTTPValidationError", "ValidationError")


def document() -> dict[str, Any]:
    """The OpenAPI document of the API."""
    app = create_app()
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


def rendered() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or check it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a drift")
    parser.add_argument("--path", type=Path, default=PATH)
    options = parser.parse_args(arguments)
    text = rendered()
    if not options.check:
        options.path.parent.mkdir(parents=True, exist_ok=True)
        options.path.write_text(text, encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{options.path} is not what the code says; run: python -m service.openapi\n")
    return 1


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


if __name__ == "__main__":
    sys.exit(main())
