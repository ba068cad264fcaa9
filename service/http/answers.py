"""Responses that several routes give."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Response

from ridgeline.storage import JobRecord
from service.http.problems import RETRY_AFTER_S
from service.http.representations import etag, job_json

JSON = "application/json"


def json_answer(
    content: bytes | str,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """JSON that is text already."""
    return Response(content, status, headers=dict(headers or {}), media_type=JSON)


def job_answer(
    record: JobRecord,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A job, with its entity tag, and when to ask again while it goes on."""
    return json_answer(job_json(record), status, {**job_headers(record), **(headers or {})})


def job_headers(record: JobRecord) -> dict[str, str]:
    """The headers that belong to a job's representation."""
    headers = {"ETag": etag(record)}
    return headers if record.status.terminal else {**headers, "Retry-After": str(RETRY_AFTER_S)}


def not_modified(headers: Mapping[str, str]) -> Response:
    """The client has it already."""
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=dict(headers))
