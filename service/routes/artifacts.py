"""/jobs/{id}/artifacts: the published files."""

import base64
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from ridgeline.contract.job import Artifact
from ridgeline.contract.problems import ProblemCode
from ridgeline.storage import ArtifactRecord
from service.answers import json_answer, not_modified
from service.deps import PartsDep
from service.documentation import file_content, headers
from service.headers import matches
from service.operations import artifacts, jobs
from service.problems import ApiProblem, responses
from service.ranges import Span, UnsatisfiableRange, requested_span
from service.representations import artifacts_json
from service.routing import is_head

router = APIRouter(tags=["artifacts"])

Text = Annotated[str | None, Header()]
Redirect = Annotated[
    bool, Query(description="Answer 307 with an address in the artifact store, if it has one.")
]

_FILE_HEADERS = ("ETag", "Repr-Digest", "Accept-Ranges", "Content-Disposition")
_GONE: dict[int | str, dict[str, Any]] = {
    410: {**responses(ProblemCode.NOT_FOUND)[404], "description": "The file is lost"}
}


@dataclass(frozen=True)
class Conditions:
    """What a client says that it has, and which bytes it wants."""

    if_none_match: Text = None
    if_range: Text = None
    range_: Annotated[str | None, Header(alias="range")] = None


@router.get(
    "/jobs/{job_id}/artifacts",
    response_model=list[Artifact],
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
async def list_artifacts(job_id: str, parts: PartsDep) -> Response:
    """List a job's published files."""
    return json_answer(artifacts_json(await jobs.find(parts, job_id)))


@router.get(
    "/jobs/{job_id}/artifacts/{name}",
    response_class=Response,
    responses={
        200: {
            "description": "The file",
            "content": file_content(),
            "headers": headers(*_FILE_HEADERS),
        },
        206: {
            "description": "Part of the file",
            "content": file_content(),
            "headers": headers(*_FILE_HEADERS, "Content-Range"),
        },
        307: {
            "description": "The file is at `Location`, for a time",
            "headers": headers("Location", "Cache-Control", "Repr-Digest"),
        },
        304: {"description": "The client has the file", "headers": headers("ETag")},
        **responses(
            ProblemCode.NOT_FOUND, ProblemCode.RANGE_NOT_SATISFIABLE, ProblemCode.UNAVAILABLE
        ),
        **_GONE,
    },
)
async def download_artifact(
    job_id: str,
    name: str,
    request: Request,
    parts: PartsDep,
    asked: Annotated[Conditions, Depends()],
    redirect: Redirect = False,
) -> Response:
    """Download a file, or a range of its bytes; several ranges are answered with the whole.

    With `redirect=true` the answer is the address of the file in the artifact store, which is good
    for a few minutes, where the store can give one out. Compare what comes with Repr-Digest then.
    """
    artifact = artifacts.find(await jobs.find(parts, job_id), name)
    meta = _headers(artifact)
    if matches(asked.if_none_match, meta["ETag"]):
        return not_modified(meta)
    await run_in_threadpool(artifacts.see, parts.artifacts, artifact)
    if redirect and not is_head(request.scope):
        seconds = parts.settings.signed_url_s
        url = await run_in_threadpool(parts.artifacts.signed_url, artifact.key, seconds)
        if url is not None:
            return _redirect(url, meta)
    whole = is_head(request.scope) or asked.if_range not in (None, meta["ETag"])
    span = _span(None if whole else asked.range_, artifact.bytes)
    status, meta = _ranged(meta, span, artifact)
    if is_head(request.scope):
        return Response(status_code=status, headers=meta, media_type=artifact.media_type)
    content = artifacts.stream(parts.artifacts, artifact, span or Span(0, artifact.bytes))
    return StreamingResponse(content, status, headers=meta, media_type=artifact.media_type)


def _redirect(url: str, meta: dict[str, str]) -> Response:
    """Send the client to the store; nobody may keep the address, which is a key for a time."""
    headers = {"Location": url, "Cache-Control": "no-store", "Repr-Digest": meta["Repr-Digest"]}
    return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)


def _headers(artifact: ArtifactRecord) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(artifact.sha256)).decode()
    filename = f"filename*=UTF-8''{quote(artifact.name)}"
    if re.fullmatch(r"[A-Za-z0-9._-]+", artifact.name):
        filename = f'filename="{artifact.name}"'
    return {
        "ETag": f'"{artifact.sha256}"',
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
    meta: dict[str, str], span: Span | None, artifact: ArtifactRecord
) -> tuple[HTTPStatus, dict[str, str]]:
    if span is None:
        return HTTPStatus.OK, {**meta, "Content-Length": str(artifact.bytes)}
    part = {
        "Content-Length": str(span.bytes),
        "Content-Range": f"bytes {span.start}-{span.end - 1}/{artifact.bytes}",
    }
    return HTTPStatus.PARTIAL_CONTENT, {**meta, **part}
