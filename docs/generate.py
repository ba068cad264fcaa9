"""Writes docs/reference/ from the code: the contract, the API, the client, the command.

    python docs/generate.py

A test holds the pages against the code.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

REFERENCE = Path(__file__).parent / "reference"
ROOT = Path(__file__).parents[1]
_NOTE = "<!-- Written by docs/generate.py from the code; change it there. -->"
_METHODS = ("get", "post", "put", "delete")

Schema = Mapping[str, Any]


def main() -> None:
    """Write every page, and remove what is none any more."""
    sys.path.insert(0, str(ROOT))
    written = pages()
    for old in set(REFERENCE.glob("*.md")) - {REFERENCE / name for name in written}:
        old.unlink()
    for name, text in written.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """The text of each page by its file's name."""
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    posted = _reached("JobSpec", schemas)
    found = {
        "api.md": _api(document),
        "spec.md": _models("The spec, field by field", _SPEC, posted, schemas),
        "answers.md": _models(
            "What is answered", _ANSWERS, sorted(set(schemas) - set(posted)), schemas
        ),
        "client.md": _client(),
        "cli.md": _command(),
        "problems.md": _problems(),
    }
    return {name: _tidy(f"{_NOTE}\n\n{text}") for name, text in found.items()}


_SPEC = """Every model that a `JobSpec` is made of. [How a spec reads](../spec.md) explains them
with examples; `GET /catalog` answers the layers, optimizers, losses and data sets for programs."""
_ANSWERS = "Every model that the API answers with, and the bodies besides specs that it takes."


# The API -----------------------------------------------------------------------------------------


_REST = """The same as OpenAPI is at `/openapi.json` of a running service and in
[openapi/openapi.json](../../openapi/openapi.json). Errors are RFC 9457 problems:
[problems](problems.md). `HEAD` works wherever `GET` does."""


def _api(document: Schema) -> str:
    parts = ["# The REST interface", document["info"]["description"], _REST]
    for path, operations in document["paths"].items():
        known = [method for method in _METHODS if method in operations]
        parts += [_operation(path, method.upper(), operations[method]) for method in known]
    return "\n\n".join(parts)


def _operation(path: str, method: str, operation: Schema) -> str:
    parts = [f"## {method} {path}", operation.get("description", "")]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [_parameter(each) for each in parameters]
        parts.append(_table(("parameter", "in", "value", "meaning"), rows))
    if "requestBody" in operation:
        parts.append(f"Body: {_content(operation['requestBody']['content'])}.")
    answers = [
        (f"`{code}`", _line(answer.get("description", "")), _content(answer.get("content", {})))
        for code, answer in sorted(operation["responses"].items())
    ]
    parts.append(_table(("answer", "when", "body"), answers))
    return "\n\n".join(part for part in parts if part)


def _parameter(parameter: Schema) -> tuple[str, str, str, str]:
    required = " (required)" if parameter.get("required") and parameter["in"] != "path" else ""
    schema = parameter["schema"]
    return (
        f"`{parameter['name']}`{required}",
        parameter["in"],
        _type(schema) + _default(schema),
        _line(parameter.get("description") or schema.get("description", "")),
    )


def _content(content: Mapping[str, Schema]) -> str:
    found = []
    for media_type, media in content.items():
        schema = media.get("schema", {})
        named = "$ref" in schema or schema.get("type") == "array"
        found.append(f"{_type(schema)}" if named else f"`{media_type}`")
    return ", ".join(dict.fromkeys(found))


# Models ------------------------------------------------------------------------------------------


def _models(title: str, about: str, names: Sequence[str], schemas: Mapping[str, Schema]) -> str:
    return "\n\n".join([f"# {title}", about, *(_model(name, schemas[name]) for name in names)])


def _model(name: str, schema: Schema) -> str:
    parts = [f"## {name}", schema.get("description", "")]
    if "enum" in schema:
        parts.append("One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
    elif "oneOf" in schema:
        parts.append(f"One of {_type(schema)}.")
    required = set(schema.get("required", ()))
    fields = [
        (
            f"`{field}`",
            _type(each),
            "required" if field in required else _default(each, named=False),
            _line(each.get("description", "")),
        )
        for field, each in schema.get("properties", {}).items()
    ]
    if fields:
        parts.append(_table(("field", "value", "default", "meaning"), fields))
    return "\n\n".join(part for part in parts if part)


def _reached(name: str, schemas: Mapping[str, Schema]) -> list[str]:
    """The model and all it is made of, in the order in which one comes upon them."""
    found: dict[str, None] = {name: None}
    waiting = [name]
    while waiting:
        for each in _references(schemas[waiting.pop(0)]):
            if each not in found:
                found[each] = None
                waiting.append(each)
    return list(found)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _type(schema: Schema) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[key]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return _array(schema)
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any JSON")) + _bounds(schema)


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(_type(each) for each in schema["prefixItems"]) + "]"
    counted = _range(schema.get("minItems"), schema.get("maxItems"))
    return f"list of {counted + ' ' if counted else ''}{_type(schema.get('items', {}))}"


def _bounds(schema: Schema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    signs = (("≥", low), (">", above), ("≤", high), ("<", below))
    found = [f"{sign} {value:g}" for sign, value in signs if value is not None]
    length = _range(schema.get("minLength"), schema.get("maxLength"))
    if length:
        found.append(f"{length} characters")
    if "pattern" in schema:
        found.append(f"`{schema['pattern']}`")
    return f" {', '.join(found)}" if found else ""


def _range(least: int | None, most: int | None) -> str:
    if least is None and most is None:
        return ""
    if least == most:
        return str(most)
    return f"{least or 0} to {most}" if most is not None else f"at least {least}"


def _default(schema: Schema, *, named: bool = True) -> str:
    if "default" not in schema:
        return "" if named else "null"
    value = f"`{json.dumps(schema['default'], ensure_ascii=False)}`"
    return f", default {value}" if named else value


def _link(name: str) -> str:
    page = "spec.md" if name in _posted() else "answers.md"
    return f"[{name}]({page}#{name.lower()})"


@cache
def _posted() -> set[str]:
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    return set(_reached("JobSpec", document["components"]["schemas"]))


# The client and the command ----------------------------------------------------------------------


def _client() -> str:
    from ridgeline.client import Client, errors  # noqa: PLC0415 - main() finds the checkout first

    parts = ["# The Python client", _text(Client)]
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if name.startswith("_"):
            continue
        signature = _signature(method)
        parts += [f"## {name}", f"```text\n{name}{signature}\n```", _text(method)]
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    own = [each for each in kinds if each.__module__ == errors.__name__]
    rows = [
        (f"`{each.__name__}`", f"`{each.__bases__[0].__name__}`", _line(_text(each)))
        for each in own
    ]
    parts += ["## Errors", _table(("error", "is a", "when"), rows)]
    return "\n\n".join(parts)


def _signature(method: Any) -> str:
    text = re.sub(r"\(self(, )?", "(", str(inspect.signature(method)))
    text = re.sub(r"\*<class '([\w.]+)'>", r"Unpack[\1]", text)
    return re.sub(r"\b(?:[a-z_]+\.)+([A-Z])", r"\1", text)


def _text(described: Any) -> str:
    """A docstring; its examples are set as code."""
    text = inspect.getdoc(described) or ""
    return re.sub(
        r"^(>>> .*?)(?=\n\n|\Z)", r"```pycon\n\1\n```", text, flags=re.DOTALL | re.MULTILINE
    )


def _command() -> str:
    from ridgeline.cli.errors import exit_codes_help  # noqa: PLC0415
    from ridgeline.cli.main import app  # noqa: PLC0415

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="ridgeline")
    text = get_docs_for_click(obj=command, ctx=context, name="ridgeline")
    codes = exit_codes_help()
    return text.replace(codes, f"```text\n{codes}\n```")


_CODES = """Every error is `application/problem+json` (RFC 9457): `type` is
`urn:ridgeline:problem:CODE`, `detail` says what was expected and how to fix it, and `errors` points
at each fault: `pointer` is an RFC 6901 pointer into the body (`?name` for a query parameter,
`{name}` for one of the path, `name:` for a header), `rule` a word for programs."""


def _problems() -> str:
    from ridgeline.api.problems import ProblemCode  # noqa: PLC0415
    from service.http.problems import KINDS  # noqa: PLC0415

    rows = [(f"`{code}`", str(int(KINDS[code][0])), KINDS[code][1]) for code in ProblemCode]
    return "\n\n".join(["# Problems", _CODES, _table(("code", "status", "title"), rows)])


# Markdown ----------------------------------------------------------------------------------------


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


if __name__ == "__main__":
    main()
