"""Stored records as JSON, and the responses that several routes share.

A record holds its spec as JSON text that was validated when it was posted. The text is spliced in
unparsed, so reading a job costs no validation; a test compares the result with the API's model.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Response

from ridgeline.storage import ArtifactRecord, EventRecord, EventType, JobRecord, Page
from ridgeline.storage.files.datasets import DatasetPage, DatasetRecord
from service.http.problems import RETRY_AFTER_S

JSON = "application/json"


def job_json(record: JobRecord) -> bytes:
    """A job as GET returns it."""
    members = (
        ("id", dump(record.id)),
        ("name", dump(record.name)),
        ("status", dump(record.status.value)),
        ("reason", dump(_reason(record))),
        ("spec", record.spec),
        ("resolved", record.resolved),
        ("penalties", record.penalties),
        ("advice", record.advice),
        ("progress", dump(_progress(record))),
        ("attempt", dump(record.attempt)),
        ("metrics", record.metrics),
        ("artifacts", artifacts_json(record)),
        ("created_at", dump(rfc3339(record.created_at))),
        ("started_at", dump(rfc3339(record.started_at))),
        ("finished_at", dump(rfc3339(record.finished_at))),
        ("tags", dump(record.tags)),
    )
    return ("{" + ",".join(f'"{name}":{value}' for name, value in members) + "}").encode()


def page_json(page: Page) -> bytes:
    """A page of jobs."""
    items = b",".join(job_json(record) for record in page.records)
    return b'{"items":[' + items + b'],"next":' + dump(page.next_after).encode() + b"}"


def artifacts_json(record: JobRecord) -> str:
    """A job's published files as a JSON list."""
    return dump([_artifact(record.id, artifact) for artifact in record.artifacts])


def event_json(record: EventRecord) -> str:
    """A JobEvent of the API."""
    start = f'{{"id":{record.id},"at":{dump(rfc3339(record.created_at))},"attempt":{record.attempt}'
    if record.type is EventType.EPOCH:
        return f'{start},"type":"epoch","row":{record.payload}}}'
    reason = record.payload if record.after and record.after.terminal else "null"
    before, after = dump(record.before), dump(record.after)
    return f'{start},"type":"status","before":{before},"after":{after},"reason":{reason}}}'


def etag(record: JobRecord) -> str:
    """A job's entity tag; weak, since another release may represent the same job differently."""
    return f'W/"{record.version}"'


def job_path(job_id: str, *rest: str) -> str:
    """The path of a job or of something below it."""
    return "/".join(["/jobs", *(quote(part, safe="") for part in (job_id, *rest))])


def dataset_json(record: DatasetRecord) -> str:
    """A data set as GET returns it; its stored contents are spliced in unparsed."""
    about = {
        "id": record.id,
        "name": record.name,
        "bytes": record.bytes,
        "sha256": record.sha256,
        "created_at": rfc3339(record.created_at),
    }
    return f"{dump(about)[:-1]},{record.contents[1:]}"


def datasets_json(page: DatasetPage) -> str:
    """A page of data sets."""
    items = ",".join(dataset_json(record) for record in page.records)
    return f'{{"items":[{items}],"next":{dump(page.next_after)}}}'


def _reason(record: JobRecord) -> dict[str, str | None] | None:
    if record.reason_code is None:
        return None
    return {"code": record.reason_code, "detail": record.reason_detail}


def _progress(record: JobRecord) -> dict[str, float | None]:
    return {
        "epoch": record.progress_epoch,
        "epochs": record.epochs,
        "fraction": record.progress_epoch / record.epochs,
        "eta_s": record.eta_s,
    }


def _artifact(job_id: str, artifact: ArtifactRecord) -> dict[str, str | int]:
    return {
        "name": artifact.name,
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "media_type": artifact.media_type,
        "href": job_path(job_id, "artifacts", artifact.name),
    }


def rfc3339(moment: datetime | None) -> str | None:
    """A UTC time as JSON's string; None stays None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def dump(value: Any) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def json_answer(
    content: bytes | str,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of JSON that is serialized already."""
    return Response(content, status, headers=dict(headers or {}), media_type=JSON)


def job_answer(
    record: JobRecord,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A job with its entity tag, and Retry-After until it has ended."""
    return json_answer(job_json(record), status, {**job_headers(record), **(headers or {})})


def job_headers(record: JobRecord) -> dict[str, str]:
    """The headers of a job's representation."""
    headers = {"ETag": etag(record)}
    return headers if record.status.terminal else {**headers, "Retry-After": str(RETRY_AFTER_S)}


def not_modified(headers: Mapping[str, str]) -> Response:
    """304: the client has the current representation."""
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=dict(headers))
