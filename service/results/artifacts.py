"""/jobs/{id}/artifacts: the published files."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from ridgeline.api.job import Artifact
from ridgeline.api.problems import ProblemCode
from ridgeline.storage import ArtifactStore, JobRecord
from service.errors import UnknownFile
from service.http import downloads
from service.http.downloads import Conditions, Download, Redirect, file_answer
from service.http.problems import responses
from service.http.representations import artifacts_json, json_answer
from service.jobs import rules as jobs
from service.services import ServicesDep

router = APIRouter(tags=["artifacts"])


@router.get(
    "/jobs/{job_id}/artifacts",
    response_model=list[Artifact],
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
async def list_artifacts(job_id: str, services: ServicesDep) -> Response:
    """List a job's published files."""
    return json_answer(artifacts_json(await jobs.find(services, job_id)))


@router.get(
    "/jobs/{job_id}/artifacts/{name}",
    response_class=Response,
    responses=downloads.RESPONSES,
)
async def download_artifact(
    job_id: str,
    name: str,
    request: Request,
    services: ServicesDep,
    conditions: Annotated[Conditions, Depends()],
    redirect: Redirect = False,
) -> Response:
    """Download a file, or a range of its bytes; a request for several ranges gets the whole file.

    With `redirect=true` the response redirects to a URL in the file store, if it has one; the URL
    is valid for a few minutes. Compare the downloaded bytes with Repr-Digest then.
    """
    file = find(services.artifacts, await jobs.find(services, job_id), name)
    redirect_s = services.settings.signed_url_s if redirect else None
    return await file_answer(request, file, conditions, services.readers, redirect_s)


def find(store: ArtifactStore, record: JobRecord, name: str) -> Download:
    """The published file; raises UnknownFile."""
    for artifact in record.artifacts:
        if artifact.name == name:
            return Download(
                name=artifact.name,
                bytes=artifact.bytes,
                sha256=artifact.sha256,
                xxh3=artifact.xxh3,
                media_type=artifact.media_type,
                key=artifact.key,
                if_lost="train the job again to get it back",
                store=store,
            )
    raise UnknownFile([artifact.name for artifact in record.artifacts], record.status)
