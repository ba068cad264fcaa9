"""/jobs: submit, list, read, cancel, pause, resume, delete."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.job import Job, JobId, JobPage, JobStatus, Validation
from ridgeline.api.problems import ProblemCode
from ridgeline.spec.schema import Label
from ridgeline.storage import JobRecord
from service.http.answers import job_answer, job_headers, json_answer, not_modified
from service.http.bodies import read_body
from service.http.documentation import BODY_PROBLEMS, BODY_TOO_SLOW, SPEC_BODY, headers
from service.http.headers import matches, preferences, wait_preference
from service.http.problems import IDEMPOTENCY_KEY_PATTERN, responses
from service.http.representations import etag, job_path, page_json
from service.jobs import rules as jobs
from service.services import Parts, PartsDep

LONGEST_WAIT_S = 3600
PAGE_BYTES = 4 * 2**20
"""About how long a page of jobs may be; it has fewer jobs than asked for then, and `next`."""

router = APIRouter(tags=["jobs"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=IDEMPOTENCY_KEY_PATTERN,
        description="Visible ASCII. A key makes one job, however often the request is sent.",
    ),
]
Prefer = Annotated[
    list[str] | None,
    Header(description="`wait=N`: answer once the job has ended, or after N seconds."),
]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="Answer once the job has changed (since If-None-Match, if sent), or after so"
        " many seconds. The service may answer sooner.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(description="Entity tags the client has.")]


class JobsQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[tuple[JobStatus, ...], Field(max_length=len(JobStatus))] = ()
    tag: Label | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[JobId | None, Field(description="`next` of the page before.")] = None


def _asking(accepted: str) -> dict[str, Any]:
    """What the routes that ask for another state have in common."""
    described = {"headers": headers("ETag", "Retry-After")}
    return {
        "status_code": HTTPStatus.ACCEPTED,
        "response_model": Job,
        "responses": {
            200: {"model": Job, "description": "It was so before", **described},
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
            "description": "The job has ended within the time to wait",
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
    request: Request, parts: PartsDep, idempotency_key: IdempotencyKey = None, prefer: Prefer = None
) -> Response:
    """Train a model: store the job, answer, and have a worker take it."""
    body = await _body(request, parts)
    created = await parts.submissions.submit(body, idempotency_key)
    extra = {"Location": job_path(created.record.id)}
    if created.replayed:
        extra["Idempotent-Replayed"] = "true"
    seconds = wait_preference(prefer or (), parts.settings.max_wait_s)
    if seconds is None:
        if "respond-async" in preferences(prefer or ()):
            extra["Preference-Applied"] = "respond-async"
        return job_answer(created.record, HTTPStatus.ACCEPTED, extra)
    record = await jobs.wait_for_end(parts, created.record, seconds)
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
async def validate_job(request: Request, parts: PartsDep) -> Response:
    """Check a spec: what it resolves to, its size, and advice on it. Nothing is stored."""
    body = await _body(request, parts)
    validation = await run_in_threadpool(jobs.validate, parts, body)
    return json_answer(validation.model_dump_json())


@router.get(
    "/jobs",
    response_model=JobPage,
    responses={
        200: {"headers": headers("Link")},
        **responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNAVAILABLE),
    },
)
def list_jobs(parts: PartsDep, query: Annotated[JobsQuery, Query()]) -> Response:
    """List jobs, newest first."""
    page = parts.jobs.list(
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
        304: {"description": "The job is as the client knows it", "headers": headers("ETag")},
        **responses(ProblemCode.NOT_FOUND, ProblemCode.INVALID_REQUEST, ProblemCode.UNAVAILABLE),
    },
)
async def read_job(
    job_id: str, parts: PartsDep, wait: Wait = 0, if_none_match: IfNoneMatch = None
) -> Response:
    """Read a job, or wait until it changes."""
    record = await jobs.find(parts, job_id)
    if wait and (if_none_match is None or matches(if_none_match, etag(record))):
        seconds = min(wait, parts.settings.max_wait_s)
        record = await jobs.wait_for_change(parts, record, seconds)
    if matches(if_none_match, etag(record)):
        return not_modified(job_headers(record))
    return job_answer(record)


@router.post("/jobs/{job_id}/cancel", **_asking("The job is cancelled, or is going to be"))
def cancel_job(job_id: str, parts: PartsDep) -> Response:
    """Cancel a job. Once this has answered, the job will not succeed."""
    return _asked(jobs.cancel(parts, job_id))


@router.post("/jobs/{job_id}/pause", **_asking("The job is paused, or is going to be"))
def pause_job(job_id: str, parts: PartsDep) -> Response:
    """Pause a job: it keeps a checkpoint and no slot, until it is resumed.

    One that trains ends its epoch first. The time paused does not count towards the deadline.
    """
    return _asked(jobs.pause(parts, job_id))


@router.post("/jobs/{job_id}/resume", **_asking("The job waits for a worker, or goes on"))
def resume_job(job_id: str, parts: PartsDep) -> Response:
    """Let a paused job go on from its checkpoint."""
    return _asked(jobs.resume(parts, job_id))


@router.delete(
    "/jobs/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.CONFLICT, ProblemCode.UNAVAILABLE),
)
def delete_job(job_id: str, parts: PartsDep) -> Response:
    """Delete a job that has ended, with its curves and its files."""
    jobs.delete(parts, job_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _body(request: Request, parts: Parts) -> bytes:
    settings = parts.settings
    return await read_body(
        request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
    )


def _asked(asked: jobs.Asked) -> Response:
    return job_answer(asked.record, HTTPStatus.OK if asked.already else HTTPStatus.ACCEPTED)


def _waited(record: JobRecord, extra: dict[str, Any]) -> Response:
    if not record.status.terminal:
        return job_answer(record, HTTPStatus.ACCEPTED, extra)
    return job_answer(record, HTTPStatus.OK, {**extra, "Content-Location": extra["Location"]})
