"""/jobs/{id}/report: whether the regularization worked."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.problems import ProblemCode
from ridgeline.api.report import Report
from ridgeline.storage import JobRecord, JobStore
from service.errors import NoReport, ReportPending
from service.http.documentation import headers
from service.http.problems import responses
from service.http.representations import json_answer, not_modified
from service.http.requests import matches
from service.jobs import rules as jobs
from service.services import ServicesDep

router = APIRouter(tags=["report"])


@router.get(
    "/jobs/{job_id}/report",
    response_model=Report,
    responses={
        200: {"headers": headers("ETag")},
        304: {"description": "The client has the report", "headers": headers("ETag")},
        **responses(ProblemCode.NOT_FOUND, ProblemCode.CONFLICT, ProblemCode.UNAVAILABLE),
    },
)
async def read_report(
    job_id: str, services: ServicesDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Read the diagnosis of a job that has ended, with the advice that follows from it."""
    record = await jobs.find(services, job_id)
    content = (await run_in_threadpool(find, services.jobs, record)).encode()
    tag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
    if matches(if_none_match, tag["ETag"]):
        return not_modified(tag)
    return json_answer(content, headers=tag)


def find(jobs: JobStore, record: JobRecord) -> str:
    """The job's report as JSON; raises ReportPending and NoReport."""
    if not record.status.terminal:
        raise ReportPending(record.status)
    report = jobs.report(record.id)
    if report is None:
        raise NoReport(record.reason_code)
    return report
