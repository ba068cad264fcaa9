"""/jobs: submit, validate, list, read, cancel, pause, resume, delete, and attempts."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.attempts import JobAttempts
from ridgeline.api.job import Job, JobId, JobPage, JobStatus, Validation
from ridgeline.api.problems import ProblemCode
from ridgeline.spec.schema import Label
from ridgeline.storage import JobRecord
from service.http.bodies import read_body
from service.http.documentation import BODY_PROBLEMS, BODY_TOO_SLOW, SPEC_BODY, headers
from service.http.problems import IDEMPOTENCY_KEY_PATTERN, responses
from service.http.representations import (
    etag,
    job_answer,
    job_headers,
    job_path,
    json_answer,
    not_modified,
    page_json,
)
from service.http.requests import matches, preferences, wait_preference
from service.jobs import rules as jobs
from service.services import Services, ServicesDep

LONGEST_WAIT_S = 3600
PAGE_BYTES = 4 * 2**20
"""About how long a page may be: a longer one has fewer jobs than `limit`, and `next`."""

router = APIRouter(tags=["jobs"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=IDEMPOTENCY_KEY_PATTERN,
        description="Visible ASCII. A key creates one job, however often the request is sent.",
    ),
]
Prefer = Annotated[
    list[str] | None,
    Header(description="`wait=N`: respond once the job has ended, or after N seconds."),
]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="Respond once the job has changed (since If-None-Match, if sent), or after so"
        " many seconds. The service may respond sooner.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(description="Entity tags that the client has.")]


class JobsQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[tuple[JobStatus, ...], Field(max_length=len(JobStatus))] = ()
    tag: Label | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[JobId | None, Field(description="`next` of the previous page.")] = None


def _status_change(accepted: str) -> dict[str, Any]:
    """What the routes that change a job's status have in common."""
    described = {"headers": headers("ETag", "Retry-After")}
    return {
        "status_code": HTTPStatus.ACCEPTED,
        "response_model": Job,
        "responses": {
            200: {"model": Job, "description": "The job had this status before", **described},
            202: {"description": accepted, **described},
            **responses(ProblemCode.NOT_FOUND, ProblemCode.CONFLICT, ProblemCode.UNAVAILABLE),
        },
    }


_SUBMITTED = ("Location", "ETag", "Retry-After", "Preference-Applied", "Idempotent-Replayed")


@router.post(
    "/jobs",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Job,
    openapi_extra=SPEC_BODY,
    responses={
        200: {
            "model": Job,
            "description": "The job has ended within the wait",
            "headers": headers(*_SUBMITTED, "Content-Location"),
        },
        202: {"description": "The job is stored, durably", "headers": headers(*_SUBMITTED)},
        **BODY_TOO_SLOW,
        **responses(
            *BODY_PROBLEMS, ProblemCode.IDEMPOTENCY_KEY_REUSED, ProblemCode.INVALID_REQUEST
        ),
    },
)
async def submit_job(
    request: Request,
    services: ServicesDep,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Submit a job: store it durably and respond; a worker trains the model."""
    body = await _body(request, services)
    created = await services.submissions.submit(body, idempotency_key)
    extra = {"Location": job_path(created.record.id)}
    if created.replayed:
        extra["Idempotent-Replayed"] = "true"
    seconds = wait_preference(prefer or (), services.settings.max_wait_s)
    if seconds is None:
        if "respond-async" in preferences(prefer or ()):
            extra["Preference-Applied"] = "respond-async"
        return job_answer(created.record, HTTPStatus.ACCEPTED, extra)
    record = await jobs.wait_for_end(services, created.record, seconds)
    return _waited(record, {**extra, "Preference-Applied": f"wait={seconds}"})


@router.post(
    "/jobs/validate",
    response_model=Validation,
    openapi_extra=SPEC_BODY,
    responses={
        **BODY_TOO_SLOW,
        **responses(*BODY_PROBLEMS, ProblemCode.INVALID_REQUEST),
    },
)
async def validate_job(request: Request, services: ServicesDep) -> Response:
    """Validate a spec: what it resolves to, its size, and advice. Nothing is stored."""
    body = await _body(request, services)
    validation = await run_in_threadpool(jobs.validate, services, body)
    return json_answer(validation.model_dump_json())


@router.get(
    "/jobs",
    response_model=JobPage,
    responses={
        200: {"headers": headers("Link")},
        **responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNAVAILABLE),
    },
)
def list_jobs(services: ServicesDep, query: Annotated[JobsQuery, Query()]) -> Response:
    """List jobs, newest first."""
    page = services.jobs.list(
        query.status or None, query.tag, query.limit, query.after, max_bytes=PAGE_BYTES
    )
    links = {}
    if page.next_after is not None:
        following = {**query.model_dump(exclude_none=True), "after": page.next_after}
        links["Link"] = f'</jobs?{urlencode(following, doseq=True)}>; rel="next"'
    return json_answer(page_json(page), headers=links)


@router.get(
    "/jobs/{job_id}",
    response_model=Job,
    responses={
        200: {"headers": headers("ETag", "Retry-After")},
        304: {"description": "The job has not changed", "headers": headers("ETag")},
        **responses(ProblemCode.NOT_FOUND, ProblemCode.INVALID_REQUEST, ProblemCode.UNAVAILABLE),
    },
)
async def read_job(
    job_id: str, services: ServicesDep, wait: Wait = 0, if_none_match: IfNoneMatch = None
) -> Response:
    """Read a job, or wait until it changes."""
    record = await jobs.find(services, job_id)
    if wait and (if_none_match is None or matches(if_none_match, etag(record))):
        seconds = min(wait, services.settings.max_wait_s)
        record = await jobs.wait_for_change(services, record, seconds)
    if matches(if_none_match, etag(record)):
        return not_modified(job_headers(record))
    return job_answer(record)


@router.get(
    "/jobs/{job_id}/attempts",
    response_model=JobAttempts,
    responses={
        200: {"headers": headers("ETag")},
        304: {"description": "The client has the attempts", "headers": headers("ETag")},
        **responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
    },
)
async def read_attempts(
    job_id: str, services: ServicesDep, if_none_match: IfNoneMatch = None
) -> Response:
    """Read a job's attempts, oldest first: the worker of each, how it ended, and why."""
    await jobs.find(services, job_id)
    attempts = await run_in_threadpool(jobs.attempts, services.jobs, job_id)
    content = attempts.model_dump_json().encode()
    tag = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    if matches(if_none_match, tag["ETag"]):
        return not_modified(tag)
    return json_answer(content, headers=tag)


@router.post("/jobs/{job_id}/cancel", **_status_change("The job is cancelled, or about to be"))
def cancel_job(job_id: str, services: ServicesDep) -> Response:
    """Cancel a job. After the response the job cannot succeed."""
    return _requested(jobs.cancel(services, job_id))


@router.post("/jobs/{job_id}/pause", **_status_change("The job is paused, or about to be"))
def pause_job(job_id: str, services: ServicesDep) -> Response:
    """Pause a job: it keeps a checkpoint and frees its slot until it is resumed.

    A running job finishes its epoch first. The time paused does not count towards the deadline.
    """
    return _requested(jobs.pause(services, job_id))


@router.post("/jobs/{job_id}/resume", **_status_change("The job is queued, or running"))
def resume_job(job_id: str, services: ServicesDep) -> Response:
    """Resume a paused job from its checkpoint."""
    return _requested(jobs.resume(services, job_id))


@router.delete(
    "/jobs/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.CONFLICT, ProblemCode.UNAVAILABLE),
)
def delete_job(job_id: str, services: ServicesDep) -> Response:
    """Delete a job that has ended, with its curves and files."""
    jobs.delete(services, job_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _body(request: Request, services: Services) -> bytes:
    settings = services.settings
    return await read_body(
        request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
    )


def _requested(requested: jobs.Requested) -> Response:
    status = HTTPStatus.OK if requested.already else HTTPStatus.ACCEPTED
    return job_answer(requested.record, status)


def _waited(record: JobRecord, extra: dict[str, Any]) -> Response:
    if not record.status.terminal:
        return job_answer(record, HTTPStatus.ACCEPTED, extra)
    return job_answer(record, HTTPStatus.OK, {**extra, "Content-Location": extra["Location"]})
