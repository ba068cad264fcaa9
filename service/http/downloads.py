"""Files as answers: whole or in part, with a digest, checked on their way out.

Byte ranges of RFC 9110, 14.
"""

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
from service.http.answers import not_modified
from service.http.documentation import file_content, headers
from service.http.headers import matches
from service.http.problems import ApiProblem, responses
from service.http.routing import is_head
from service.threads import ended, outcome

Text = Annotated[str | None, Header()]


Redirect = Annotated[
    bool, Query(description="Answer 307 with an address in the store of files, if it has one.")
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
        "description": "The file is at `Location`, for a time",
        "headers": headers("Location", "Cache-Control", "Repr-Digest"),
    },
    304: {"description": "The client has the file", "headers": headers("ETag")},
    **responses(ProblemCode.NOT_FOUND, ProblemCode.RANGE_NOT_SATISFIABLE, ProblemCode.UNAVAILABLE),
    410: {**responses(ProblemCode.NOT_FOUND)[404], "description": "The file is lost"},
}
"""What a route that gives a file may answer."""


_SINGLE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)


_DIGITS = 19
"""More than any file's length has."""


@dataclass(frozen=True)
class Conditions:
    """What a client says that it has, and which bytes it wants."""

    if_none_match: Text = None
    if_range: Text = None
    range_: Annotated[str | None, Header(alias="range")] = None


class FileStore(Protocol):
    """Where the bytes of files are, by their keys."""

    def size(self, key: str) -> int:
        """The bytes of a file; raises UnknownArtifact."""

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes from `start` to before `end`, a chunk at a time; raises UnknownArtifact."""

    def signed_url(self, key: str, seconds: float) -> str | None:
        """An address that gives the file to whoever has it, for a time; None: there is none."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file that a record tells of, and where its bytes are to be had."""

    name: str
    bytes: int
    sha256: str
    xxh3: str | None
    """The quicker hash of the same bytes; None where the file was stored without."""
    media_type: str
    key: str
    lost: str
    """How to have the file back where the store has lost it."""
    store: FileStore


class CorruptFile(Exception):
    """A file's bytes are not the ones that were stored."""


async def file_answer(
    request: Request,
    file: StoredFile,
    asked: Conditions,
    readers: Executor,
    redirect_s: float | None = None,
) -> Response:
    """The file, or a range of its bytes; several ranges are answered with the whole.

    `readers` read and hash it. With `redirect_s` an address in the store that is good for so long,
    where it can give one out. Raises ApiProblem: range-not-satisfiable, and not-found (410) where
    the file is lost.
    """
    meta = _headers(file)
    if matches(asked.if_none_match, meta["ETag"]):
        return not_modified(meta)
    await run_in_threadpool(_see, file)
    if redirect_s is not None and not is_head(request.scope):
        url = await run_in_threadpool(file.store.signed_url, file.key, redirect_s)
        if url is not None:
            return _redirect(url, meta)
    whole = is_head(request.scope) or asked.if_range not in (None, meta["ETag"])
    span = _span(None if whole else asked.range_, file.bytes)
    status, meta = _ranged(meta, span, file)
    if is_head(request.scope):
        return Response(status_code=status, headers=meta, media_type=file.media_type)
    content = _stream(file, span or Span(0, file.bytes), readers)
    return StreamingResponse(content, status, headers=meta, media_type=file.media_type)


def _see(file: StoredFile) -> None:
    """See that the file is there; raises ApiProblem (410) where it is lost or not of its size."""
    try:
        size = file.store.size(file.key)
    except (InvalidArtifactKey, UnknownArtifact):
        raise _gone("The file was stored, but the store of files has lost it", file) from None
    if size != file.bytes:
        raise _gone(f"{file.bytes} bytes were stored, the store of files has {size}", file)


class Span(NamedTuple):
    """Part of a file: `start` to `end`, which is not in it."""

    start: int
    end: int

    @property
    def bytes(self) -> int:
        """How many bytes it holds."""
        return self.end - self.start


async def _stream(file: StoredFile, span: Span, readers: Executor) -> AsyncIterator[bytes]:
    """The bytes of `span`, a chunk at a time; while one is sent, the next is read and checked."""
    in_thread = partial(asyncio.get_running_loop().run_in_executor, readers)
    chunks = _checked(file, span)
    reading: asyncio.Future[bytes | None] = in_thread(next, chunks, None)
    try:
        while (chunk := await outcome(reading)) is not None:
            reading = in_thread(next, chunks, None)
            yield chunk
    finally:
        await ended([reading])
        await in_thread(chunks.close)  # it cannot be closed while it is read from


def _checked(file: StoredFile, span: Span) -> Generator[bytes, None, None]:
    """The bytes of `span`, a chunk at a time.

    When it is the whole file, the last chunk is held back until the hash is right. Otherwise this
    raises CorruptFile, so that the client sees a broken answer and not a wrong file.
    """
    digest, expected = _digest(file)
    whole = span.bytes == file.bytes
    left = span.bytes
    with closing(file.store.read(file.key, span.start, span.end)) as chunks:
        for chunk in chunks:
            left -= len(chunk)
            if whole:
                digest.update(chunk)
            if whole and not left and digest.hexdigest() != expected:
                raise CorruptFile(f"{file.key} has another hash than the file that was stored")
            yield chunk
    if left:
        raise CorruptFile(f"{file.key} is {left} bytes shorter than the file that was stored")


def _digest(file: StoredFile) -> tuple[Hash, str]:
    """What its bytes are to be hashed with, and what comes out of that."""
    if file.xxh3 is not None:
        return xxhash.xxh3_128(), file.xxh3
    return hashlib.sha256(), file.sha256


def _gone(detail: str, file: StoredFile) -> ApiProblem:
    return ApiProblem(ProblemCode.NOT_FOUND, f"{detail}; {file.lost}.", status=HTTPStatus.GONE)


def _redirect(url: str, meta: dict[str, str]) -> Response:
    """Send the client to the store; nobody may keep the address, which is a key for a time."""
    headers = {"Location": url, "Cache-Control": "no-store", "Repr-Digest": meta["Repr-Digest"]}
    return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)


def _headers(file: StoredFile) -> dict[str, str]:
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


def _span(header: str | None, size: int) -> Span | None:
    try:
        return requested_span(header, size)
    except UnsatisfiableRange:
        detail = f"The file has {size} bytes; ask for a range within them."
        unsatisfied = {"Content-Range": f"bytes */{size}"}
        raise ApiProblem(ProblemCode.RANGE_NOT_SATISFIABLE, detail, headers=unsatisfied) from None


def _ranged(
    meta: dict[str, str], span: Span | None, file: StoredFile
) -> tuple[HTTPStatus, dict[str, str]]:
    if span is None:
        return HTTPStatus.OK, {**meta, "Content-Length": str(file.bytes)}
    part = {
        "Content-Length": str(span.bytes),
        "Content-Range": f"bytes {span.start}-{span.end - 1}/{file.bytes}",
    }
    return HTTPStatus.PARTIAL_CONTENT, {**meta, **part}


class UnsatisfiableRange(ValueError):
    """No byte of the file lies in the range."""


def requested_span(header: str | None, size: int) -> Span | None:
    """The span that a Range header asks for, in a file of `size` bytes; None for the whole file.

    Several ranges, another unit and what is no range at all are ignored, as the RFC allows.
    Raises UnsatisfiableRange.
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
    return Span(start, end)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    stripped = digits.lstrip("0") or "0"
    return int(stripped) if len(stripped) <= _DIGITS else 10**_DIGITS
