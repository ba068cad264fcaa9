"""The published files of a job."""

import hashlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from fastapi.concurrency import run_in_threadpool

from ridgeline.contract.problems import ProblemCode
from ridgeline.storage import (
    ArtifactRecord,
    ArtifactStore,
    InvalidArtifactKey,
    JobRecord,
    UnknownArtifact,
)
from service.problems import ApiProblem, not_found
from service.ranges import Span

CHUNK_BYTES = 2**18


class CorruptArtifact(Exception):
    """A file's bytes are not the ones that were published."""


def find(record: JobRecord, name: str) -> ArtifactRecord:
    """The published file; raises ApiProblem: not-found."""
    for artifact in record.artifacts:
        if artifact.name == name:
            return artifact
    listed = ", ".join(artifact.name for artifact in record.artifacts)
    ended = "it ended without any" if record.status.terminal else f"it is {record.status.value}"
    raise not_found(f"The job has no such file; it has {listed or f'none: {ended}'}.")


def path(store: ArtifactStore, artifact: ArtifactRecord) -> Path:
    """Where the file lies; raises ApiProblem (410) where it is lost or not of its size."""
    try:
        found = store.path(artifact.key)
        size = found.stat().st_size
    except (FileNotFoundError, InvalidArtifactKey, UnknownArtifact):
        raise _gone("The file was published, but the artifact store has lost it") from None
    if size != artifact.bytes:
        raise _gone(f"{artifact.bytes} bytes were published, the artifact store has {size}")
    return found


async def stream(file: Path, artifact: ArtifactRecord, span: Span) -> AsyncIterator[bytes]:
    """The bytes of `span`, a chunk at a time.

    When it is the whole file, the last chunk is held back until the hash is right. Otherwise this
    raises CorruptArtifact, so that the client sees a broken answer and not a wrong file.
    """
    digest = hashlib.sha256() if span.bytes == artifact.bytes else None
    opened = await run_in_threadpool(file.open, "rb")
    try:
        await run_in_threadpool(opened.seek, span.start)
        left = span.bytes
        while left:
            chunk = await run_in_threadpool(_read, opened, min(left, CHUNK_BYTES), digest)
            left -= len(chunk)
            if not chunk or (digest and not left and digest.hexdigest() != artifact.sha256):
                raise CorruptArtifact(f"{artifact.key} is not the file that was published")
            yield chunk
    finally:
        await run_in_threadpool(opened.close)


def _read(file: BinaryIO, size: int, digest: "hashlib._Hash | None") -> bytes:
    chunk = file.read(size)
    if digest is not None:
        digest.update(chunk)
    return chunk


def _gone(detail: str) -> ApiProblem:
    hint = "; train the job again to have it back."
    return ApiProblem(ProblemCode.NOT_FOUND, detail + hint, status=HTTPStatus.GONE)
