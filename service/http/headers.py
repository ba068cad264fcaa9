"""Reads the request headers that carry lists and parameters."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's token, no secret
_PREFERENCE = re.compile(rf'\s*({_TOKEN})\s*(?:=\s*("(?:[^"\\]|\\.)*"|{_TOKEN}))?\s*(?:;.*)?')
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def preferences(headers: Iterable[str]) -> dict[str, str]:
    """The preferences of RFC 7240 `Prefer` headers: name → value, the first of a name."""
    found: dict[str, str] = {}
    for part in _split(headers):
        match = _PREFERENCE.fullmatch(part)
        if match:
            value = (match[2] or "").removeprefix('"').removesuffix('"')
            found.setdefault(match[1].lower(), value)
    return found


def wait_preference(headers: Iterable[str], most: float) -> int | None:
    """The whole seconds of `Prefer: wait=N`, `most` at most; None without a usable one."""
    value = preferences(headers).get("wait", "")
    # What nobody can wait for is as good as the most.
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
    ranges = [found for part in _split(accept) if (found := _media_range(part))]
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

    Raises ValueError for one that is no SHA-256, and for what is no digest at all: who sends a
    bare hash means it to be checked. Other algorithms are passed over.
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
            raise ValueError("expected sha-256=:BASE64:, with the base64 of 32 bytes") from None
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
    """The members of comma-separated lists; a comma in quotes separates nothing."""
    return [
        part.strip()
        for header in headers
        for part in re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', header)
        if part.strip()
    ]
