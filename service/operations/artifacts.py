"""The published files of a job."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus

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


def see(store: ArtifactStore, artifact: ArtifactRecord) -> None:
    """See that the file is there; raises ApiProblem (410) where it is lost or not of its size."""
    try:
        size = store.size(artifact.key)
    except (InvalidArtifactKey, UnknownArtifact):
        raise _gone("The file was published, but the artifact store has lost it") from None
    if size != artifact.bytes:
        raise _gone(f"{artifact.bytes} bytes were published, the artifact store has {size}")


async def stream(
    store: ArtifactStore, artifact: ArtifactRecord, span: Span
) -> AsyncIterator[bytes]:
    """The bytes of `span`, a chunk at a time.

    When it is the whole file, the last chunk is held back until the hash is right. Otherwise this
    raises CorruptArtifact, so that the client sees a broken answer and not a wrong file.
    """
    digest = hashlib.sha256() if span.bytes == artifact.bytes else None
    chunks = store.read(artifact.key, span.start, span.end)
    left = span.bytes
    try:
        while left:
            chunk = await run_in_threadpool(_next, chunks, digest)
            left -= len(chunk)
            if not chunk or (digest and not left and digest.hexdigest() != artifact.sha256):
                raise CorruptArtifact(f"{artifact.key} is not the file that was published")
            yield chunk
    finally:
        await run_in_threadpool(chunks.close)


def _next(chunks: Iterator[bytes], digest: "hashlib._Hash | None") -> bytes:
    chunk = next(chunks, b"")
    if digest is not None:
        digest.update(chunk)
    return chunk


def _gone(detail: str) -> ApiProblem:
    hint = "; train the job again to have it back."
    return ApiProblem(ProblemCode.NOT_FOUND, detail + hint, status=HTTPStatus.GONE)
