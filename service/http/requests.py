"""What a request says besides its body: its headers, its query parameters, its method."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from inspect import isclass

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ridgeline.spec.faults import MAX_FAULTS, Fault, closest
from service.errors import InvalidRequest

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's token, no secret
_PREFERENCE = re.compile(rf'\s*({_TOKEN})\s*(?:=\s*("(?:[^"\\]|\\.)*"|{_TOKEN}))?\s*(?:;.*)?')
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_HEAD = "ridgeline.head"
_LONGEST_NAME = 64
"""Longer names are neither guessed at nor sent back."""
_CUTOFF = 0.4


def preferences(headers: Iterable[str]) -> dict[str, str]:
    """The preferences of RFC 7240 `Prefer` headers: name → value, the first of a name."""
    preferred: dict[str, str] = {}
    for part in _split(headers):
        match = _PREFERENCE.fullmatch(part)
        if match:
            value = (match[2] or "").removeprefix('"').removesuffix('"')
            preferred.setdefault(match[1].lower(), value)
    return preferred


def wait_preference(headers: Iterable[str], most: float) -> int | None:
    """The whole seconds of `Prefer: wait=N`, at most `most`; None without a usable one."""
    value = preferences(headers).get("wait", "")
    # Longer than the maximum counts as the maximum.
    return min(int(value[:9]), int(most)) if value.isascii() and value.isdigit() else None


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names the entity tag, by weak comparison."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in _ENTITY_TAG.findall(
        if_none_match
    )


def negotiate(accept: Iterable[str], offered: Sequence[str]) -> str | None:
    """The media type of `offered` that `Accept` headers prefer, the first of equals; None for none.

    RFC 9110, 12.5.1: the most specific range that fits a type gives its quality.
    """
    ranges = [parsed for part in _split(accept) if (parsed := _media_range(part))]
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    return best if _quality(best, ranges) > 0 else None


def takes_gzip(accept_encoding: Iterable[str]) -> bool:
    """Whether `Accept-Encoding` headers name gzip, or anything, with a quality above 0."""
    for part in _split(accept_encoding):
        coding, _, parameter = part.lower().partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", parameter)
    return False


def digest_sha256(header: str | None) -> str | None:
    """The SHA-256, in hex, of a Content-Digest or Repr-Digest (RFC 9530); None if it has none.

    Other algorithms are skipped. Raises ValueError for a malformed SHA-256 and for anything that
    is no digest: a client that sends a bare hash expects it to be checked.
    """
    for part in _split([header or ""]):
        name, named, value = part.partition("=")
        if named and value and name.strip().lower() != "sha-256":
            continue
        match = re.fullmatch(r":([A-Za-z0-9+/]{43}=):", value.partition(";")[0].strip())
        if match is None:
            raise ValueError("expected sha-256=:BASE64:, with the base64 of the 32 bytes")
        try:
            return base64.b64decode(match[1], validate=True).hex()
        except binascii.Error:
            raise ValueError("expected sha-256=:BASE64:, with the base64 of the 32 bytes") from None
    return None


def _media_range(part: str) -> tuple[str, float] | None:
    media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
    if not re.fullmatch(rf"{_TOKEN}/{_TOKEN}", media_type):
        return None
    quality = next((p[2:].strip() for p in parameters if p.startswith("q=")), "1")
    return media_type, float(quality) if _QUALITY.fullmatch(quality) else 0.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    family = media_type.partition("/")[0] + "/*"
    for wanted in (media_type, family, "*/*"):
        qualities = [quality for pattern, quality in ranges if pattern == wanted]
        if qualities:
            return max(qualities)
    return 0.0


def _split(headers: Iterable[str]) -> list[str]:
    """The members of comma-separated lists; a comma in quotes does not separate."""
    return [
        part.strip()
        for header in headers
        for part in re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', header)
        if part.strip()
    ]


def allowed_methods(request: Request) -> list[str]:
    """The methods that the request's path supports."""
    supported = [method for method in METHODS if _supports(request, method)]
    return ["GET", "HEAD", *supported[1:]] if "GET" in supported else supported


def is_head(scope: Scope) -> bool:
    """Whether the client sent HEAD: no body will be sent."""
    return bool(scope.get(_HEAD))


class HeadLikeGet:
    """Middleware: answers HEAD like GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", _HEAD: True}, receive, send_without_body)


def _supports(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


async def reject_unknown_parameters(request: Request) -> None:
    """Raise InvalidRequest for query parameters that the route does not have.

    A misspelled parameter would otherwise have no effect.
    """
    if not request.scope["query_string"]:
        return
    known = _known_parameters(request.scope["route"])
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        faults = [_unknown_parameter(name, known) for name in dict.fromkeys(unknown)]
        raise InvalidRequest(faults[:MAX_FAULTS])


def _unknown_parameter(name: str, known: tuple[str, ...]) -> Fault:
    near = closest(name, known, cutoff=_CUTOFF) if len(name) <= _LONGEST_NAME else None
    expected = f"expected one of {', '.join(known)}" if known else "this path has no parameters"
    hint = f"did you mean {near}?" if near else expected
    detail = f"unknown parameter; {hint}"
    return Fault(pointer=f"?{name[:_LONGEST_NAME]}", detail=detail, rule="unknown-parameter")


def _known_parameters(route: APIRoute) -> tuple[str, ...]:
    """Names of the route's query parameters: single ones, a model's, those only OpenAPI knows."""
    documented = (route.openapi_extra or {}).get("parameters", ())
    names = [str(parameter["name"]) for parameter in documented]
    for parameter in route.dependant.query_params:
        kind = parameter.field_info.annotation
        if isclass(kind) and issubclass(kind, BaseModel):
            names += kind.model_fields
        else:
            names.append(parameter.alias)
    return tuple(names)
