"""Query parameters that a path does not have are refused: a misspelt one would do nothing."""

import difflib
from inspect import isclass

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from ridgeline.api.problems import ProblemCode
from ridgeline.spec.faults import Fault
from service.http.problems import ApiProblem

_LONGEST_NAME = 64
"""Longer names are not guessed at, nor sent back."""
_CUTOFF = 0.4


async def refuse_unknown(request: Request) -> None:
    """Raise ApiProblem (invalid-request) if the query has a parameter that the route does not."""
    if not request.scope["query_string"]:
        return
    known = _known(request.scope["route"])
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        faults = [_fault(name, known) for name in dict.fromkeys(unknown)]
        detail = "See `errors`; `?name` is a query parameter, `name:` a header."
        raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, errors=faults[:20])


def _fault(name: str, known: tuple[str, ...]) -> Fault:
    near = []
    if len(name) <= _LONGEST_NAME:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_CUTOFF)
    listed = f"this path takes {', '.join(known)}" if known else "this path takes none"
    guess = f"; did you mean {near[0]}?" if near else f"; {listed}"
    detail = f"there is no such parameter here{guess}"
    return Fault(pointer=f"?{name[:_LONGEST_NAME]}", detail=detail, rule="unknown-parameter")


def _known(route: APIRoute) -> tuple[str, ...]:
    """The names of the route's query parameters, apart, in one model, or said to OpenAPI alone."""
    said = (route.openapi_extra or {}).get("parameters", ())
    names = [str(parameter["name"]) for parameter in said]
    for parameter in route.dependant.query_params:
        kind = parameter.field_info.annotation
        if isclass(kind) and issubclass(kind, BaseModel):
            names += kind.model_fields
        else:
            names.append(parameter.alias)
    return tuple(names)
