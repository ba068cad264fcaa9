"""Sends files: whole or a byte range (RFC 9110, 14), with a digest, verified on the way out."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Generator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple, Protocol
from urllib.parse import quote

import xxhash
from fastapi import Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from ridgeline.api.problems import ProblemCode
from ridgeline.storage import InvalidArtifactKey, UnknownArtifact
from ridgeline.storage.files.digests import Hash
from service.http.documentation import file_content, headers
from service.http.problems import ApiProblem, responses
from service.http.representations import not_modified
from service.http.requests import is_head, matches
from service.threads import ended, outcome

Text = Annotated[str | None, Header()]
Redirect = Annotated[
    bool, Query(description="Return 307 with a URL in the file store, if it has one.")
]
_HEADERS = ("ETag", "Repr-Digest", "Accept-Ranges", "Content-Disposition")
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": file_content(),
        "headers": headers(*_HEADERS),
    },
    206: {
        "description": "Part of the file",
        "content": file_content(),
        "headers": headers(*_HEADERS, "Content-Range"),
    },
    307: {
        "description": "The file is at `Location`, for a limited time",
        "headers": headers("Location", "Cache-Control", "Repr-Digest"),
    },
    304: {"description": "The client has the file", "headers": headers("ETag")},
    **responses(ProblemCode.NOT_FOUND, ProblemCode.RANGE_NOT_SATISFIABLE, ProblemCode.UNAVAILABLE),
    410: {**responses(ProblemCode.NOT_FOUND)[404], "description": "The file is lost"},
}
"""The responses of a route that sends a file."""
_SINGLE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)
_DIGITS = 19
"""More digits than any file's size has."""


@dataclass(frozen=True)
class Conditions:
    """The headers of a conditional or partial request."""

    if_none_match: Text = None
    if_range: Text = None
    range_: Annotated[str | None, Header(alias="range")] = None


class FileSource(Protocol):
    """Holds the bytes of files, by key."""

    def size(self, key: str) -> int:
        """The size of a file in bytes; raises UnknownArtifact."""

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes `start` to `end` (exclusive) in chunks; raises UnknownArtifact."""

    def signed_url(self, key: str, seconds: float) -> str | None:
        """A URL that serves the file to anyone for so long; None if the store has none."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to be sent, and where its bytes are."""

    name: str
    bytes: int
    sha256: str
    xxh3: str | None
    """The faster hash of the same bytes; None where the file was stored without one."""
    media_type: str
    key: str
    if_lost: str
    """What the user can do if the store has lost the file."""
    store: FileSource


class CorruptFile(Exception):
    """A file's bytes are not those that were stored."""


async def file_answer(
    request: Request,
    file: Download,
    conditions: Conditions,
    readers: Executor,
    redirect_s: float | None = None,
) -> Response:
    """Send the file, or a range of its bytes; a request for several ranges gets the whole file.

    `readers` are threads that read and hash the file. With `redirect_s` the client is redirected to
    a URL in the store that is valid for so long, if the store has one. Raises ApiProblem:
    range-not-satisfiable, and not-found (410) if the store has lost the file.
    """
    meta = _headers(file)
    if matches(conditions.if_none_match, meta["ETag"]):
        return not_modified(meta)
    await run_in_threadpool(_check, file)
    if redirect_s is not None and not is_head(request.scope):
        url = await run_in_threadpool(file.store.signed_url, file.key, redirect_s)
        if url is not None:
            return _redirect(url, meta)
    whole = is_head(request.scope) or conditions.if_range not in (None, meta["ETag"])
    byte_range = _byte_range(None if whole else conditions.range_, file.bytes)
    status, meta = _ranged(meta, byte_range, file)
    if is_head(request.scope):
        return Response(status_code=status, headers=meta, media_type=file.media_type)
    content = _stream(file, byte_range or ByteRange(0, file.bytes), readers)
    return StreamingResponse(content, status, headers=meta, media_type=file.media_type)


def _check(file: Download) -> None:
    """Raise ApiProblem (410) if the file is lost or has another size than it should."""
    try:
        size = file.store.size(file.key)
    except (InvalidArtifactKey, UnknownArtifact):
        raise _gone("The file was stored, but the file store has lost it", file) from None
    if size != file.bytes:
        raise _gone(f"{file.bytes} bytes were stored, but the file store has {size}", file)


class ByteRange(NamedTuple):
    """Bytes of a file: `start` to `end` (exclusive)."""

    start: int
    end: int

    @property
    def bytes(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


async def _stream(file: Download, byte_range: ByteRange, readers: Executor) -> AsyncIterator[bytes]:
    """The bytes of `byte_range` in chunks; while one is sent, the next is read and verified."""
    in_thread = partial(asyncio.get_running_loop().run_in_executor, readers)
    chunks = _verified(file, byte_range)
    reading: asyncio.Future[bytes | None] = in_thread(next, chunks, None)
    try:
        while (chunk := await outcome(reading)) is not None:
            reading = in_thread(next, chunks, None)
            yield chunk
    finally:
        await ended([reading])
        await in_thread(chunks.close)  # a generator cannot be closed while it runs


def _verified(file: Download, byte_range: ByteRange) -> Generator[bytes, None, None]:
    """The bytes of `byte_range` in chunks.

    The last chunk of a whole file is held back until the hash is verified. Raises CorruptFile if it
    is wrong, so that the client sees a broken response instead of a wrong file.
    """
    digest, expected = _digest(file)
    whole = byte_range.bytes == file.bytes
    left = byte_range.bytes
    with closing(file.store.read(file.key, byte_range.start, byte_range.end)) as chunks:
        for chunk in chunks:
            left -= len(chunk)
            if whole:
                digest.update(chunk)
            if whole and not left and digest.hexdigest() != expected:
                raise CorruptFile(f"{file.key} has another hash than the file that was stored")
            yield chunk
    if left:
        raise CorruptFile(f"{file.key} is {left} bytes shorter than the file that was stored")


def _digest(file: Download) -> tuple[Hash, str]:
    """The hash to compute over a file's bytes, and its expected value."""
    if file.xxh3 is not None:
        return xxhash.xxh3_128(), file.xxh3
    return hashlib.sha256(), file.sha256


def _gone(detail: str, file: Download) -> ApiProblem:
    return ApiProblem(ProblemCode.NOT_FOUND, f"{detail}; {file.if_lost}.", status=HTTPStatus.GONE)


def _redirect(url: str, meta: dict[str, str]) -> Response:
    """Redirect to the store; the URL must not be cached, since it grants access for a time."""
    headers = {"Location": url, "Cache-Control": "no-store", "Repr-Digest": meta["Repr-Digest"]}
    return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)


def _headers(file: Download) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    filename = f"filename*=UTF-8''{quote(file.name, safe='')}"
    if re.fullmatch(r"[A-Za-z0-9._-]+", file.name):
        filename = f'filename="{file.name}"'
    return {
        "ETag": f'"{file.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; {filename}",
        "X-Content-Type-Options": "nosniff",
    }


def _byte_range(header: str | None, size: int) -> ByteRange | None:
    try:
        return requested_range(header, size)
    except UnsatisfiableRange:
        detail = f"The range lies beyond the file; expected a range within its {size} bytes."
        unsatisfied = {"Content-Range": f"bytes */{size}"}
        raise ApiProblem(ProblemCode.RANGE_NOT_SATISFIABLE, detail, headers=unsatisfied) from None


def _ranged(
    meta: dict[str, str], byte_range: ByteRange | None, file: Download
) -> tuple[HTTPStatus, dict[str, str]]:
    if byte_range is None:
        return HTTPStatus.OK, {**meta, "Content-Length": str(file.bytes)}
    part = {
        "Content-Length": str(byte_range.bytes),
        "Content-Range": f"bytes {byte_range.start}-{byte_range.end - 1}/{file.bytes}",
    }
    return HTTPStatus.PARTIAL_CONTENT, {**meta, **part}


class UnsatisfiableRange(ValueError):
    """The range has no byte of the file."""


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """The byte range of a Range header, in a file of `size` bytes; None for the whole file.

    Several ranges, other units and malformed ranges are ignored, as the RFC allows. Raises
    UnsatisfiableRange.
    """
    match = _SINGLE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    first, last = (_number(digits) for digits in match.groups())
    if first is None:
        start, end = max(size - (last or 0), 0), size
    else:
        if last is not None and last < first:
            return None
        start, end = first, size if last is None else min(last + 1, size)
    if start >= size:
        raise UnsatisfiableRange
    return ByteRange(start, end)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    stripped = digits.lstrip("0") or "0"
    return int(stripped) if len(stripped) <= _DIGITS else 10**_DIGITS
