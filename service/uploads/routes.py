"""/uploads: a large file in parts, sent in any order, and resumed after an interruption."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.datasets import StoredDataset, Upload, UploadRequest
from ridgeline.api.problems import ProblemCode
from service.datasets.routes import (
    BYTES_BODY,
    STORED,
    STORING,
    Digest,
    announced_digest,
    announced_format,
    dataset_answer,
)
from service.http.bodies import parse_request, read_body
from service.http.documentation import BODY_TOO_SLOW, headers
from service.http.problems import responses
from service.http.representations import json_answer
from service.services import ServicesDep
from service.uploads import rules as uploads
from service.uploads.rules import MOST_PARTS, upload_json

router = APIRouter(tags=["datasets"])

Number = Annotated[int, Path(ge=1, le=MOST_PARTS, description="From 1.")]
_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": UploadRequest.model_json_schema()}},
    }
}


@router.post(
    "/uploads",
    status_code=HTTPStatus.CREATED,
    response_model=Upload,
    openapi_extra=_REQUEST,
    responses={
        200: {
            "model": Upload,
            "description": "An upload of the file with this `sha256` was open before",
            "headers": headers("Location"),
        },
        201: {"description": "The upload waits for its parts", "headers": headers("Location")},
        **BODY_TOO_SLOW,
        **responses(
            ProblemCode.MALFORMED_JSON,
            ProblemCode.BODY_TOO_LARGE,
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            ProblemCode.INSUFFICIENT_STORAGE,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def begin_upload(request: Request, services: ServicesDep) -> Response:
    """Begin to upload a file in parts of `part_bytes` each, as the response says."""
    settings = services.settings
    body = await read_body(
        request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
    )
    requested = parse_request(body, UploadRequest)
    begun = await run_in_threadpool(uploads.begin, services, requested)
    status = HTTPStatus.OK if begun.already else HTTPStatus.CREATED
    location = {"Location": f"/uploads/{begun.record.id}"}
    return json_answer(upload_json(begun.record), status, location)


@router.get(
    "/uploads/{upload_id}",
    response_model=Upload,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
def read_upload(upload_id: str, services: ServicesDep) -> Response:
    """Read an upload: which parts have been received."""
    return json_answer(upload_json(uploads.find(services, upload_id)))


@router.put(
    "/uploads/{upload_id}/parts/{number}",
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=BYTES_BODY,
    responses={
        204: {"description": "The part is stored, durably"},
        **BODY_TOO_SLOW,
        **responses(
            ProblemCode.NOT_FOUND,
            ProblemCode.CONFLICT,
            ProblemCode.DIGEST_MISMATCH,
            ProblemCode.BODY_TOO_LARGE,
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            ProblemCode.INSUFFICIENT_STORAGE,
            ProblemCode.UNAVAILABLE,
        ),
    },
)
async def send_part(
    upload_id: str,
    number: Number,
    request: Request,
    services: ServicesDep,
    content_digest: Digest = None,
) -> Response:
    """Send a part; sending it again replaces it."""
    sha256 = announced_digest(("content-digest", content_digest))
    announced_format(request)
    await uploads.store_part(services, request, upload_id, number, sha256)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/uploads/{upload_id}/complete",
    status_code=HTTPStatus.CREATED,
    response_model=StoredDataset,
    responses={**STORED, **responses(ProblemCode.NOT_FOUND, *STORING)},
)
async def complete_upload(upload_id: str, services: ServicesDep) -> Response:
    """Join the parts to a data set. Repeating the request is safe: it returns the same data set."""
    return dataset_answer(await uploads.complete(services, upload_id))


@router.delete(
    "/uploads/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
def delete_upload(upload_id: str, services: ServicesDep) -> Response:
    """Cancel an upload; the data set of a completed one stays."""
    uploads.delete(services, upload_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
