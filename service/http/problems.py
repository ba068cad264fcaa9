"""Every error is an RFC 9457 problem. It says what was expected and never quotes the request."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ridgeline.api.job import JOB_ID_PATTERN
from ridgeline.api.problems import MEDIA_TYPE, Problem, ProblemCode
from ridgeline.spec.faults import Fault, SpecError
from ridgeline.storage import (
    ArtifactsUnavailable,
    DatabaseUnavailable,
    DatasetInUse,
    ForeignStore,
    IdempotencyConflict,
    IllegalTransition,
    UnknownDataset,
    UnknownJob,
    UnknownUpload,
    UploadEnded,
)
from service.http.routing import allowed_methods

RETRY_AFTER_S = 1
"""When to come back, in answers to requests that may succeed later."""

#: The status and title of each code; the sentence that explains one case is the problem's detail.
KINDS: dict[ProblemCode, tuple[HTTPStatus, str]] = {
    ProblemCode.MALFORMED_JSON: (HTTPStatus.BAD_REQUEST, "The body is not JSON"),
    ProblemCode.INVALID_REQUEST: (HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid"),
    ProblemCode.INVALID_SPEC: (HTTPStatus.UNPROCESSABLE_ENTITY, "The spec cannot be trained"),
    ProblemCode.BODY_TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body's media type is not supported",
    ),
    ProblemCode.NOT_ACCEPTABLE: (HTTPStatus.NOT_ACCEPTABLE, "No acceptable representation"),
    ProblemCode.NOT_FOUND: (HTTPStatus.NOT_FOUND, "Not found"),
    ProblemCode.METHOD_NOT_ALLOWED: (HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"),
    ProblemCode.CONFLICT: (HTTPStatus.CONFLICT, "The present state does not allow this"),
    ProblemCode.IDEMPOTENCY_KEY_REUSED: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The idempotency key was used with another body",
    ),
    ProblemCode.UNUSABLE_DATASET: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The file cannot be used as a data set",
    ),
    ProblemCode.DIGEST_MISMATCH: (HTTPStatus.BAD_REQUEST, "The bytes are not those of the digest"),
    ProblemCode.INSUFFICIENT_STORAGE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The disk of the service is full",
    ),
    ProblemCode.RANGE_NOT_SATISFIABLE: (
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "The range lies beyond the file",
    ),
    ProblemCode.UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "Temporarily unavailable"),
    ProblemCode.INTERNAL: (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"),
}

IDEMPOTENCY_KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
_PATTERNS = {
    IDEMPOTENCY_KEY_PATTERN: "expected 1 to 255 visible ASCII characters, without spaces",
    JOB_ID_PATTERN: "expected a job's id, job_ and 32 of 0-9a-f: `next` of the page before",
}

logger = logging.getLogger(__name__)


class ApiProblem(Exception):
    """An answer that is a problem: raise it anywhere in a request."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        status: HTTPStatus | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.status = status or KINDS[code][0]

    def response(self) -> Response:
        """The problem as an HTTP response."""
        title = KINDS[self.code][1]
        problem = Problem(
            type=f"urn:ridgeline:problem:{self.code.value}",
            title=title,
            status=self.status,
            detail=self.detail,
            code=self.code,
            errors=self.errors,
        )
        content = problem.model_dump_json()
        return Response(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def not_found(detail: str) -> ApiProblem:
    """Make the answer to a request for something that is not there."""
    return ApiProblem(ProblemCode.NOT_FOUND, detail)


def invalid_spec(faults: Sequence[Fault]) -> ApiProblem:
    """Make the answer to a spec with `faults`."""
    plural = "fault" if len(faults) == 1 else "faults"
    detail = f"{len(faults)} {plural} in the spec; each `pointer` leads to one."
    return ApiProblem(ProblemCode.INVALID_SPEC, detail, errors=faults)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        ApiProblem: _answer,
        HTTPException: _routing_error,
        RequestValidationError: _invalid_request,
        SpecError: _spec_error,
        UnknownJob: _unknown_job,
        IllegalTransition: _conflict,
        IdempotencyConflict: _key_reused,
        UnknownDataset: _unknown_dataset,
        DatasetInUse: _dataset_in_use,
        UnknownUpload: _unknown_upload,
        UploadEnded: _upload_ended,
        DatabaseUnavailable: _unavailable,
        ArtifactsUnavailable: _files_unavailable,
        ForeignStore: _files_foreign,
        Exception: _internal,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def responses(*codes: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """Declare for OpenAPI the problems a route may answer.

    Every route refuses query parameters that it does not know, and every route may fail internally.
    """
    found: dict[int | str, list[ProblemCode]] = {}
    for code in dict.fromkeys((*codes, ProblemCode.INVALID_REQUEST, ProblemCode.INTERNAL)):
        found.setdefault(int(KINDS[code][0]), []).append(code)
    return {
        status: {
            "description": " or ".join(f"{KINDS[code][1]} (`{code.value}`)" for code in codes),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, codes in found.items()
    }


async def _answer(_: Request, error: ApiProblem) -> Response:
    return error.response()


async def _routing_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(allowed_methods(request))
        detail = f"This path takes {allowed}."
        headers = {"Allow": allowed}
        return ApiProblem(ProblemCode.METHOD_NOT_ALLOWED, detail, headers=headers).response()
    if error.status_code == HTTPStatus.NOT_FOUND:
        return not_found("There is nothing at this path; see GET /catalog, GET /jobs.").response()
    status = HTTPStatus(error.status_code)
    return ApiProblem(ProblemCode.INVALID_REQUEST, status.phrase, status=status).response()


async def _invalid_request(_: Request, error: RequestValidationError) -> Response:
    faults = [_parameter_fault(each) for each in error.errors()]
    detail = (
        "See `errors`; `?name` is a query parameter, `{name}` one of the path, `name:` a header."
    )
    return ApiProblem(ProblemCode.INVALID_REQUEST, detail, errors=faults[:20]).response()


async def _spec_error(_: Request, error: SpecError) -> Response:
    return invalid_spec(error.faults).response()


async def _unknown_job(_: Request, __: UnknownJob) -> Response:
    return no_such_job().response()


async def _conflict(_: Request, error: IllegalTransition) -> Response:
    detail = f"The job is {error.status.value}, so it cannot be {error.wanted}."
    return ApiProblem(ProblemCode.CONFLICT, detail).response()


async def _key_reused(_: Request, error: IdempotencyConflict) -> Response:
    detail = (
        f"The key created {error.job_id} from another body; send the same body again, or a new"
        " key for a new job."
    )
    return ApiProblem(ProblemCode.IDEMPOTENCY_KEY_REUSED, detail).response()


async def _unknown_dataset(_: Request, __: UnknownDataset) -> Response:
    return not_found(
        "No data set has this id; it may have been deleted. GET /datasets lists them."
    ).response()


async def _dataset_in_use(_: Request, error: DatasetInUse) -> Response:
    detail = (
        f"Jobs that have not ended train on it: {', '.join(error.job_ids)}. Cancel them, or delete"
        " the data set once they have ended."
    )
    return ApiProblem(ProblemCode.CONFLICT, detail).response()


async def _unknown_upload(_: Request, __: UnknownUpload) -> Response:
    return not_found(
        "No upload has this id; it may have expired. POST /uploads begins a new one."
    ).response()


async def _upload_ended(_: Request, error: UploadEnded) -> Response:
    detail = f"The upload is complete: it has become {error.dataset_id}, and takes no more parts."
    return ApiProblem(ProblemCode.CONFLICT, detail).response()


async def _unavailable(_: Request, error: DatabaseUnavailable) -> Response:
    logger.warning("the database does not answer: %s", error)
    detail = (
        "The database does not answer; nothing that was accepted is lost. Try again in a moment; a"
        " POST with its Idempotency-Key, since it may have been stored."
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers).response()


async def _files_unavailable(_: Request, error: ArtifactsUnavailable) -> Response:
    logger.warning("the artifact store does not answer: %s", error)
    detail = "The store of the files does not answer; nothing is lost, try again in a moment."
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers).response()


async def _files_foreign(_: Request, error: ForeignStore) -> Response:
    logger.error("%s", error)
    detail = (
        "The store of the files is not known to belong to this service's database, so none is put"
        " there; nothing is lost. Its operator finds in the log what to do."
    )
    return ApiProblem(ProblemCode.UNAVAILABLE, detail).response()


async def _internal(_: Request, __: Exception) -> Response:
    # Starlette raises the error again after this answer, so the server logs its traceback.
    detail = "This is a fault of Ridgeline's own; its log says more."
    return ApiProblem(ProblemCode.INTERNAL, detail).response()


def no_such_job() -> ApiProblem:
    """Make the answer to an id that no job has."""
    return not_found("No job has this id; it may have been deleted. GET /jobs lists them.")


def _parameter_fault(error: Mapping[str, Any]) -> Fault:
    """One of FastAPI's complaints on a parameter, without the value it got."""
    place, *names = error["loc"]
    name = str(names[0])[:100] if names else ""
    at = {"query": f"?{name}", "path": f"{{{name}}}"}.get(str(place), f"{name}:")
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return Fault(pointer=at, detail="there is no such parameter here", rule="unknown-parameter")
    if kind == "string_pattern_mismatch":
        detail = _PATTERNS.get(error["ctx"]["pattern"], "expected another form; see /openapi.json")
        return Fault(pointer=at, detail=detail, rule=kind.replace("_", "-"))
    detail = str(error["ctx"]["error"]) if kind == "value_error" else str(error["msg"])
    detail = re.sub(
        r"^\w+ should (be )?", lambda m: "expected " if m[1] else "expected it to ", detail
    )
    return Fault(pointer=at, detail=detail, rule=kind.replace("_", "-"))
