"""Reads a JSON body: bounded in size and time, and unambiguous."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from email.message import Message
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from ridgeline.api.problems import ProblemCode
from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.schema import Contract
from service.errors import InvalidRequest, MalformedJson
from service.http.problems import ApiProblem
from service.http.spec_faults import has_surrogate, short_pointer, spec_faults, walk

Requested = TypeVar("Requested", bound=Contract)

MAX_VALUES = 50_000
"""More values are rejected unread; a thousand layers need far fewer."""


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Read a JSON body without holding more than `max_bytes`.

    Raises ApiProblem: unsupported-media-type, body-too-large, invalid-request (too slow); and
    MalformedJson if the client is gone.
    """
    _check_media_type(request)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(request, max_bytes)
    except ClientDisconnect:
        # Nobody reads the answer; a problem keeps it out of our own errors.
        raise MalformedJson("the body is incomplete") from None
    except TimeoutError:
        detail = f"The body did not arrive within {timeout_s:g} s; send it again, faster."
        status = HTTPStatus.REQUEST_TIMEOUT
        raise ApiProblem(ProblemCode.INVALID_REQUEST, detail, status=status) from None


def parse_spec(body: bytes) -> JobSpec:
    """Parse a spec; raises MalformedJson and SpecError."""
    if body.count(b",") > MAX_VALUES:
        # Pydantic would report every single one, which takes a second.
        detail = f"the spec is too large; expected at most {MAX_VALUES} values"
        raise SpecError([Fault(pointer="", detail=detail, rule="too-many-values")])
    value = _parse(body)
    try:
        return JobSpec.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise _rejected_by_pydantic(first["ctx"]["error"], value) from None
        raise SpecError(spec_faults(error, value)) from None


def parse_request(body: bytes, model: type[Requested]) -> Requested:
    """Parse a body other than a spec; raises MalformedJson and InvalidRequest."""
    value = _parse(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_input=False)
        if complaints[0]["type"] == "json_invalid":
            raise _rejected_by_pydantic(complaints[0]["ctx"]["error"], value) from None
        faults = [_fault(complaint) for complaint in complaints[:MAX_FAULTS]]
        raise InvalidRequest(faults) from None


def _fault(complaint: Mapping[str, Any]) -> Fault:
    """One of pydantic's complaints, without the value received."""
    kind = str(complaint["type"])
    detail = complaint["ctx"]["error"] if kind == "value_error" else complaint["msg"]
    return Fault(
        pointer=short_pointer(complaint["loc"]), detail=str(detail), rule=kind.replace("_", "-")
    )


def _check_media_type(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if _is_json(request.headers.get("content-type", ""), encoding):
        return
    detail = "Expected `Content-Type: application/json` in UTF-8, without Content-Encoding."
    headers = {"Accept-Post": "application/json"}
    raise ApiProblem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, detail, headers=headers)


@lru_cache(maxsize=16)  # clients send the same few, and email's parser is slow
def _is_json(content_type: str, content_encoding: str) -> bool:
    header = Message()
    header["content-type"] = content_type
    charset = str(header.get_param("charset", "utf-8")).lower()
    # Without a header, email's parser reports text/plain: not JSON either.
    is_json = header.get_content_type() == "application/json"
    plain = content_encoding.strip().lower() == "identity"
    return is_json and charset in ("utf-8", "us-ascii") and plain


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(max_bytes: int) -> ApiProblem:
    return ApiProblem(
        ProblemCode.BODY_TOO_LARGE, f"The body is too large; expected at most {max_bytes} bytes."
    )


class _Repeating(dict[str, Any]):
    """An object in which a key occurs twice."""

    repeated: str = ""


def _parse(body: bytes) -> Any:
    """Parse JSON; NaN and infinities pass, since the spec's checks report their place."""
    repeating: list[_Repeating] = []
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=partial(_object, repeating))
    except UnicodeDecodeError as error:
        raise MalformedJson(f"byte {error.start} is not UTF-8", rule="utf-8") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise MalformedJson("objects or lists are nested too deeply", rule="depth") from None
    except ValueError:
        raise MalformedJson("a number has too many digits", rule="digits") from None
    if repeating:
        raise _repeated_key(value)
    return value


def _object(repeating: list[_Repeating], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    marked = _Repeating(members)
    marked.repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
    repeating.append(marked)
    return marked


def _repeated_key(value: Any) -> MalformedJson:
    at = next(
        short_pointer((*parts, node.repeated))
        for parts, node in walk(value)
        if isinstance(node, _Repeating)
    )
    return MalformedJson(
        "the key occurs twice in its object; keep one", at=at, rule="duplicate-key"
    )


def _rejected_by_pydantic(message: str, value: Any) -> MalformedJson:
    """Pydantic's parser is stricter than Python's: no lone surrogates, less depth."""
    for parts, node in walk(value):
        texts = node if isinstance(node, dict) else [node] if isinstance(node, str) else []
        if any(has_surrogate(text) for text in texts):
            what = "a key of this object" if isinstance(node, dict) else "a string"
            detail = f"{what} holds a lone surrogate; escape characters in pairs, or send UTF-8"
            return MalformedJson(detail, at=short_pointer(parts), rule="lone-surrogate")
    return MalformedJson(message)
