"""/presets: the note's networks, to start from."""

import functools
import hashlib
from typing import Any

from fastapi import APIRouter, Request, Response

from ridgeline.api.presets import PresetEntry, preset_entry
from ridgeline.spec.faults import ProblemCode
from ridgeline.spec.presets import PRESETS
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.headers import matches
from service.http.problems import responses
from service.jobs.routes import IfNoneMatch
from service.system.presets_operations import preset_json, presets_json

router = APIRouter(tags=["catalog"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"headers": headers("ETag")},
    304: {"description": "The client has it", "headers": headers("ETag")},
}


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


_KEPT = ("type", "anyOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


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
