"""/jobs/{id}/artifacts: the published files."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from ridgeline.api.job import Artifact
from ridgeline.api.problems import ProblemCode
from service.artifacts import rules as artifacts
from service.http import downloads
from service.http.answers import json_answer
from service.http.downloads import Conditions, Redirect, file_answer
from service.http.problems import responses
from service.http.representations import artifacts_json
from service.jobs import rules as jobs
from service.services import PartsDep

router = APIRouter(tags=["artifacts"])


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
    responses=downloads.RESPONSES,
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
    file = artifacts.find(parts.artifacts, await jobs.find(parts, job_id), name)
    return await file_answer(
        request,
        file,
        asked,
        parts.readers,
        parts.settings.signed_url_s if redirect else None,
    )
