"""/datasets: store a file in one request, list, read, download, delete."""

from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ridgeline.api.datasets import StoredDataset, StoredDatasetPage
from ridgeline.api.problems import ProblemCode
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.faults import Fault
from ridgeline.spec.schema import Label
from ridgeline.storage.files.datasets import AddedDataset
from ridgeline.storage.records.datasets import CURSOR_PATTERN
from service.datasets import rules as datasets
from service.datasets.rules import Description
from service.errors import InvalidRequest
from service.http import downloads
from service.http.documentation import BODY_TOO_SLOW, file_content, headers
from service.http.downloads import Conditions, Redirect, file_answer
from service.http.problems import ApiProblem, responses
from service.http.representations import dataset_json, datasets_json, json_answer
from service.http.requests import digest_sha256
from service.services import ServicesDep

PAGE_BYTES = 4 * 2**20
"""About how long a page may be: a longer one has fewer data sets than `limit`, and `next`."""
router = APIRouter(tags=["datasets"])
Digest = Annotated[
    str | None,
    Header(description="`sha-256=:BASE64:` of the bytes (RFC 9530): other bytes are rejected."),
]
BYTES_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": file_content()}}
STORED: dict[int | str, dict[str, Any]] = {
    200: {"model": StoredDataset, "description": "The same bytes were stored before"},
    201: {"description": "The data set is stored, durably"},
}
STORING = (
    ProblemCode.UNUSABLE_DATASET,
    ProblemCode.DIGEST_MISMATCH,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.CONFLICT,
    ProblemCode.INSUFFICIENT_STORAGE,
    ProblemCode.UNAVAILABLE,
)
"""The problems of a route that stores a data set."""
_FORMATS = {
    "text/csv": DatasetFormat.CSV,
    "application/csv": DatasetFormat.CSV,
    "application/vnd.apache.parquet": DatasetFormat.PARQUET,
    "application/x-parquet": DatasetFormat.PARQUET,
    "application/vnd.numpy.npz": DatasetFormat.NPZ,
    "application/vnd.numpy.npy": DatasetFormat.NPY,
}
#: These leave the format to the bytes; the fourth is curl's default.
_NEUTRAL = (
    "application/octet-stream",
    "application/zip",
    "application/x-zip-compressed",
    "application/x-www-form-urlencoded",
    "text/plain",
)
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")


for _described in STORED.values():
    _described["headers"] = headers("Location")


class DatasetsQuery(BaseModel):
    """Which data sets to list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[
        str | None, Field(pattern=CURSOR_PATTERN, description="`next` of the previous page.")
    ] = None


@router.post(
    "/datasets",
    status_code=HTTPStatus.CREATED,
    response_model=StoredDataset,
    openapi_extra=BYTES_BODY,
    responses={
        **STORED,
        **BODY_TOO_SLOW,
        **responses(*STORING, ProblemCode.UNSUPPORTED_MEDIA_TYPE),
    },
)
async def upload_dataset(
    request: Request,
    services: ServicesDep,
    name: Annotated[Label | None, Query(description="For people; default: its id.")] = None,
    format: Annotated[  # noqa: A002 - the parameter's name
        DatasetFormat | None, Query(description="Default: read from Content-Type or the bytes.")
    ] = None,
    content_digest: Digest = None,
    repr_digest: Digest = None,
) -> Response:
    """Store a file as a data set: the body is its bytes. The response describes its contents."""
    sha256 = announced_digest(("content-digest", content_digest), ("repr-digest", repr_digest))
    by_content_type = announced_format(request)
    description = Description(name, format or by_content_type, sha256)
    return dataset_answer(await datasets.receive(services, request, description))


@router.get(
    "/datasets",
    response_model=StoredDatasetPage,
    responses={
        200: {"headers": headers("Link")},
        **responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNAVAILABLE),
    },
)
def list_datasets(services: ServicesDep, query: Annotated[DatasetsQuery, Query()]) -> Response:
    """List data sets, newest first."""
    page = services.datasets.store.list(query.limit, query.after, max_bytes=PAGE_BYTES)
    links = {}
    if page.next_after is not None:
        following = {**query.model_dump(exclude_none=True), "after": page.next_after}
        links["Link"] = f'</datasets?{urlencode(following)}>; rel="next"'
    return json_answer(datasets_json(page), headers=links)


@router.get(
    "/datasets/{dataset_id}",
    response_model=StoredDataset,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.UNAVAILABLE),
)
async def read_dataset(dataset_id: str, services: ServicesDep) -> Response:
    """Read the contents of a data set: its columns, arrays or images."""
    return json_answer(dataset_json(await datasets.find(services, dataset_id)))


@router.get(
    "/datasets/{dataset_id}/content",
    response_class=Response,
    responses=downloads.RESPONSES,
)
async def download_dataset(
    dataset_id: str,
    request: Request,
    services: ServicesDep,
    conditions: Annotated[Conditions, Depends()],
    redirect: Redirect = False,
) -> Response:
    """Download a data set's file as it was uploaded, or a range of its bytes."""
    file = datasets.download(services, await datasets.find(services, dataset_id))
    return await file_answer(
        request,
        file,
        conditions,
        services.readers,
        services.settings.signed_url_s if redirect else None,
    )


@router.delete(
    "/datasets/{dataset_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.CONFLICT, ProblemCode.UNAVAILABLE),
)
def delete_dataset(dataset_id: str, services: ServicesDep) -> Response:
    """Delete a data set; 409 while a job that has not ended trains on it."""
    datasets.delete(services, dataset_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def dataset_answer(added: AddedDataset) -> Response:
    """The response with a stored data set: 201, or 200 where it existed before."""
    status = HTTPStatus.OK if added.existed else HTTPStatus.CREATED
    location = {"Location": f"/datasets/{added.record.id}"}
    return json_answer(dataset_json(added.record), status, location)


def announced_digest(*fields: tuple[str, str | None]) -> str | None:
    """The SHA-256 that digest headers name, if any; raises InvalidRequest."""
    hashes = set()
    for name, value in fields:
        try:
            hashes.add(digest_sha256(value))
        except ValueError as error:
            raise _bad_digest(name, str(error)) from None
    hashes.discard(None)
    if len(hashes) > 1:
        raise _bad_digest(fields[0][0], "expected the digest headers to name the same hash")
    return hashes.pop() if hashes else None


def _bad_digest(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest([Fault(pointer=f"{name}:", detail=detail, rule="digest")])


def announced_format(request: Request) -> DatasetFormat | None:
    """The format that Content-Type names; None where it leaves the format to the bytes.

    Raises ApiProblem (unsupported-media-type).
    """
    content_type = request.headers.get("content-type", "")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    header = Message()
    header["content-type"] = content_type
    kind = header.get_content_type() if content_type else _NEUTRAL[0]
    charset = str(header.get_param("charset", "utf-8")).lower()
    if encoding != "identity" or charset not in _CHARSETS or kind not in (*_FORMATS, *_NEUTRAL):
        raise _unsupported()
    return _FORMATS.get(kind)


def _unsupported() -> ApiProblem:
    detail = (
        "Expected the bytes of the file as the body (no form), without Content-Encoding, text in"
        " UTF-8. Expected `Content-Type` application/octet-stream (the format is inferred from the"
        " bytes), text/csv, application/vnd.apache.parquet or application/zip."
    )
    headers = {"Accept-Post": ", ".join((*_FORMATS, *_NEUTRAL[:2]))}
    return ApiProblem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, detail, headers=headers)
