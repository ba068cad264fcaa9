"""/uploads: a large file in parts, which may come in any order, and again after a break."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.datasets import StoredDataset
from ridgeline.api.problems import ProblemCode
from ridgeline.api.uploads import Upload, UploadRequest
from service.datasets.routes import BYTES_BODY, TAKEN, TAKING, Digest, dataset_answer, said_digest
from service.http.answers import json_answer
from service.http.bodies import parse_request, read_body
from service.http.documentation import BODY_TOO_SLOW, headers
from service.http.problems import responses
from service.services import PartsDep
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
async def begin_upload(request: Request, parts: PartsDep) -> Response:
    """Begin to upload a file in parts; `part_bytes` of the answer says how large they are."""
    settings = parts.settings
    body = await read_body(
        request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s
    )
    asked = parse_request(body, UploadRequest)
    begun = await run_in_threadpool(uploads.begin, parts, asked)
    status = HTTPStatus.OK if begun.already else HTTPStatus.CREATED
    location = {"Location": f"/uploads/{begun.record.id}"}
    return json_answer(upload_json(begun.record), status, location)


@router.get(
    "/uploads/{upload_id}",
    response_model=Upload,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
def read_upload(upload_id: str, parts: PartsDep) -> Response:
    """See which parts have come."""
    return json_answer(upload_json(uploads.find(parts, upload_id)))


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
    upload_id: str, number: Number, request: Request, parts: PartsDep, content_digest: Digest = None
) -> Response:
    """Send a part; one that is sent again takes the place of the one before."""
    sha256 = said_digest(("content-digest", content_digest))
    await uploads.take_part(parts, request, upload_id, number, sha256)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/uploads/{upload_id}/complete",
    status_code=HTTPStatus.CREATED,
    response_model=StoredDataset,
    responses={**TAKEN, **responses(ProblemCode.NOT_FOUND, *TAKING)},
)
async def complete_upload(upload_id: str, parts: PartsDep) -> Response:
    """Make the parts one data set. To ask again is safe: the answer is the same data set."""
    return dataset_answer(await uploads.complete(parts, upload_id))


@router.delete(
    "/uploads/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
def delete_upload(upload_id: str, parts: PartsDep) -> Response:
    """Give an upload up; a data set that it has become stays."""
    uploads.delete(parts, upload_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
