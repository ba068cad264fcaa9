"""/datasets: upload a file whole, list, read, download, delete."""

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
from service.http import downloads
from service.http.answers import json_answer
from service.http.documentation import BODY_TOO_SLOW, file_content, headers
from service.http.downloads import Conditions, Redirect, file_answer
from service.http.headers import digest_sha256
from service.http.problems import ApiProblem, responses
from service.http.representations import dataset_json, datasets_json
from service.services import PartsDep

PAGE_BYTES = 4 * 2**20
"""About how long a page may be; it has fewer data sets than asked for then, and `next`."""

router = APIRouter(tags=["datasets"])

Digest = Annotated[
    str | None,
    Header(description="`sha-256=:BASE64:` of the bytes (RFC 9530): others are refused."),
]
BYTES_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": file_content()}}

TAKEN: dict[int | str, dict[str, Any]] = {
    200: {"model": StoredDataset, "description": "The same bytes were stored before"},
    201: {"description": "The data set is stored, durably"},
}
for _described in TAKEN.values():
    _described["headers"] = headers("Location")
TAKING = (
    ProblemCode.UNUSABLE_DATASET,
    ProblemCode.DIGEST_MISMATCH,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.CONFLICT,
    ProblemCode.INSUFFICIENT_STORAGE,
    ProblemCode.UNAVAILABLE,
)
"""What a route that stores a data set may answer."""


class DatasetsQuery(BaseModel):
    """Which data sets to list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[
        str | None, Field(pattern=CURSOR_PATTERN, description="`next` of the page before.")
    ] = None


@router.post(
    "/datasets",
    status_code=HTTPStatus.CREATED,
    response_model=StoredDataset,
    openapi_extra=BYTES_BODY,
    responses={
        **TAKEN,
        **BODY_TOO_SLOW,
        **responses(*TAKING, ProblemCode.UNSUPPORTED_MEDIA_TYPE),
    },
)
async def upload_dataset(
    request: Request,
    parts: PartsDep,
    name: Annotated[Label | None, Query(description="For people; default: its id.")] = None,
    format: Annotated[  # noqa: A002 - the parameter's name
        DatasetFormat | None, Query(description="Default: what Content-Type or the bytes say.")
    ] = None,
    content_digest: Digest = None,
    repr_digest: Digest = None,
) -> Response:
    """Store a file as a data set: its bytes are the body. The answer says what is in it."""
    sha256 = said_digest(("content-digest", content_digest), ("repr-digest", repr_digest))
    return dataset_answer(await datasets.take(parts, request, Description(name, format, sha256)))


@router.get(
    "/datasets",
    response_model=StoredDatasetPage,
    responses={
        200: {"headers": headers("Link")},
        **responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNAVAILABLE),
    },
)
def list_datasets(parts: PartsDep, query: Annotated[DatasetsQuery, Query()]) -> Response:
    """List data sets, newest first."""
    page = parts.datasets.store.list(query.limit, query.after, max_bytes=PAGE_BYTES)
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
async def read_dataset(dataset_id: str, parts: PartsDep) -> Response:
    """Read what is in a data set."""
    return json_answer(dataset_json(await datasets.find(parts, dataset_id)))


@router.get(
    "/datasets/{dataset_id}/content",
    response_class=Response,
    responses=downloads.RESPONSES,
)
async def download_dataset(
    dataset_id: str,
    request: Request,
    parts: PartsDep,
    asked: Annotated[Conditions, Depends()],
    redirect: Redirect = False,
) -> Response:
    """Download a data set's file as it was uploaded, or a range of its bytes."""
    file = datasets.stored_file(parts, await datasets.find(parts, dataset_id))
    return await file_answer(
        request,
        file,
        asked,
        parts.readers,
        parts.settings.signed_url_s if redirect else None,
    )


@router.delete(
    "/datasets/{dataset_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(ProblemCode.NOT_FOUND, ProblemCode.CONFLICT, ProblemCode.UNAVAILABLE),
)
def delete_dataset(dataset_id: str, parts: PartsDep) -> Response:
    """Delete a data set that no job needs any more: 409 while one that has not ended does."""
    datasets.delete(parts, dataset_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def dataset_answer(added: AddedDataset) -> Response:
    """A data set that was taken, or was there before."""
    status = HTTPStatus.OK if added.existed else HTTPStatus.CREATED
    location = {"Location": f"/datasets/{added.record.id}"}
    return json_answer(dataset_json(added.record), status, location)


def said_digest(*fields: tuple[str, str | None]) -> str | None:
    """The SHA-256 that digest headers name, if any; raises ApiProblem (invalid-request)."""
    found = set()
    for name, value in fields:
        try:
            found.add(digest_sha256(value))
        except ValueError as error:
            raise _bad_digest(name, str(error)) from None
    found.discard(None)
    if len(found) > 1:
        raise _bad_digest(fields[0][0], "expected the digest headers to name the same hash")
    return found.pop() if found else None


def _bad_digest(name: str, detail: str) -> ApiProblem:
    fault = Fault(pointer=f"{name}:", detail=detail, rule="digest")
    return ApiProblem(ProblemCode.INVALID_REQUEST, "See `errors`.", errors=[fault])
