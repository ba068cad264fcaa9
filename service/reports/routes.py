"""/jobs/{id}/report: whether the regularization worked."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.problems import ProblemCode
from ridgeline.api.report import Report
from service.http.answers import json_answer, not_modified
from service.http.documentation import headers
from service.http.headers import matches
from service.http.problems import responses
from service.jobs import rules as jobs
from service.reports import rules as reports
from service.services import PartsDep

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
    job_id: str, parts: PartsDep, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Read the diagnosis of a job that has ended, with the advice that follows from it."""
    record = await jobs.find(parts, job_id)
    content = (await run_in_threadpool(reports.find, parts.jobs, record)).encode()
    tag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
    return (
        not_modified(tag)
        if matches(if_none_match, tag["ETag"])
        else json_answer(content, headers=tag)
    )
