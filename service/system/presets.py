"""/presets: the note's networks, to start from.

The note's networks, each as a job ready to be posted.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError

from ridgeline.api.presets import PresetEntry, preset_entry
from ridgeline.api.problems import ProblemCode
from ridgeline.spec.faults import Fault
from ridgeline.spec.presets import PRESETS
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.faults import spec_faults
from service.http.headers import matches
from service.http.problems import ApiProblem, not_found, responses
from service.jobs.routes import IfNoneMatch

router = APIRouter(tags=["catalog"])


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"headers": headers("ETag")},
    304: {"description": "The client has it", "headers": headers("ETag")},
}


_KEPT = ("type", "anyOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


_ENTRIES = TypeAdapter(tuple[PresetEntry, ...])


_MODEL = "/model/"


def _parameters() -> list[dict[str, Any]]:
    """The query parameters that one preset or another takes, for OpenAPI."""
    schemas: dict[str, list[dict[str, Any]]] = {}
    takers: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        for argument in preset_entry(preset).parameters:
            schema = {k: v for k, v in argument.json_schema.items() if k in _KEPT}
            known = schemas.setdefault(argument.name, [])
            known += [] if schema in known else [schema]
            takers.setdefault(argument.name, []).append(name)
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"A parameter of {', '.join(takers[name])}, as JSON.",
            "schema": known[0] if len(known) == 1 else {"anyOf": known},
        }
        for name, known in schemas.items()
    ]


@router.get("/presets", response_model=list[PresetEntry], responses={**_ANSWERS, **responses()})
async def list_presets(if_none_match: IfNoneMatch = None) -> Response:
    """List the note's networks, each with its parameters and a job to post."""
    return _answer(_all_presets(), if_none_match)


@router.get(
    "/presets/{name}",
    response_model=PresetEntry,
    responses={**_ANSWERS, **responses(ProblemCode.NOT_FOUND)},
    openapi_extra={"parameters": _parameters()},
)
async def read_preset(name: str, request: Request, if_none_match: IfNoneMatch = None) -> Response:
    """Read one of the note's networks; query parameters take the place of its own."""
    return _answer(preset_json(name, request.query_params), if_none_match)


def _answer(content: str, if_none_match: str | None) -> Response:
    tag = f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
    if matches(if_none_match, tag):
        return not_modified({"ETag": tag})
    return json_answer(content, headers={"ETag": tag})


@functools.cache
def _all_presets() -> str:
    return presets_json()


def presets_json() -> str:
    """All presets; what a spec need not say is left out."""
    entries = tuple(preset_entry(preset) for preset in PRESETS.values())
    return _ENTRIES.dump_json(entries, exclude_unset=True).decode()


def preset_json(name: str, query: Mapping[str, str]) -> str:
    """One preset with the parameters that a query gives it.

    Raises ApiProblem: not-found, and invalid-request where the preset does not take them.
    """
    if name not in PRESETS:
        raise not_found(f"No preset has this name; there are {', '.join(PRESETS)}.")
    parameters = {key: _value(text) for key, text in query.items()}
    try:
        entry = preset_entry(PRESETS[name], **parameters)
    except ValidationError as error:
        body = {"model": {"preset": name, **parameters}}
        faults = [_as_parameter(fault) for fault in spec_faults(error, body)]
        detail = "See `errors`; `?name` is a query parameter, `name:` a header."
        raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, errors=faults) from None
    return entry.model_dump_json(exclude_unset=True)


def _value(text: str) -> Any:
    """A parameter's value, which is JSON: `0.5`, `true`, `null`. What is not stays text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_parameter(fault: Fault) -> Fault:
    return fault.model_copy(update={"pointer": "?" + fault.pointer.removeprefix(_MODEL)})
