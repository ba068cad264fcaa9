"""Maps every error to an RFC 9457 problem: status, detail, and code (of ridgeline.api.problems).

A detail says what was expected and how to fix it, and never quotes the request.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ridgeline.api.job import JOB_ID_PATTERN, JobStatus
from ridgeline.api.problems import MEDIA_TYPE, Problem, ProblemCode
from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError
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
from service import errors
from service.http.requests import allowed_methods

RETRY_AFTER_S = 1
"""When to send a request again that may succeed later."""
_DISK_FULL_RETRY_S = 60

#: The status and title of each code; a problem's `detail` explains the case at hand.
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
    JOB_ID_PATTERN: "expected a job's id, job_ and 32 of 0-9a-f: `next` of the previous page",
}

logger = logging.getLogger(__name__)


class ApiProblem(Exception):
    """A problem as the response. Code that knows HTTP raises it; the rules raise domain errors."""

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


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(HTTPException, _routing_error)
    for kind, problem_of in _PROBLEMS.items():
        app.add_exception_handler(kind, _handler(problem_of))


def responses(*codes: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """Document for OpenAPI the problems a route may return.

    Every route rejects unknown query parameters, and every route may fail internally.
    """
    by_status: dict[int | str, list[ProblemCode]] = {}
    for code in dict.fromkeys((*codes, ProblemCode.INVALID_REQUEST, ProblemCode.INTERNAL)):
        by_status.setdefault(int(KINDS[code][0]), []).append(code)
    return {
        status: {
            "description": " or ".join(f"{KINDS[code][1]} (`{code.value}`)" for code in codes),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, codes in by_status.items()
    }


def not_found(detail: str) -> ApiProblem:
    """Make the problem of a path that names nothing that exists."""
    return ApiProblem(ProblemCode.NOT_FOUND, detail)


def not_acceptable(what: str, offered: Sequence[str]) -> ApiProblem:
    """Make the problem of an Accept header that excludes all media types on offer."""
    detail = f"{what} available as {', '.join(offered)}; name one of them in Accept."
    return ApiProblem(ProblemCode.NOT_ACCEPTABLE, detail)


def unavailable(detail: str) -> ApiProblem:
    """Make the problem of a request that may succeed in a moment."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return ApiProblem(ProblemCode.UNAVAILABLE, detail, headers=headers)


class _Kind(NamedTuple):
    """How a domain error becomes a problem; its message is the detail."""

    code: ProblemCode
    status: HTTPStatus | None = None
    retry_after_s: int | None = None


#: The first class of an error's ancestry that is listed here decides.
_DOMAIN_ERRORS: dict[type[errors.ServiceError], _Kind] = {
    errors.NotFound: _Kind(ProblemCode.NOT_FOUND),
    errors.ReportPending: _Kind(ProblemCode.CONFLICT, retry_after_s=RETRY_AFTER_S),
    errors.Conflict: _Kind(ProblemCode.CONFLICT),
    errors.InvalidRequest: _Kind(ProblemCode.INVALID_REQUEST),
    errors.MalformedJson: _Kind(ProblemCode.MALFORMED_JSON),
    errors.UnusableFile: _Kind(ProblemCode.UNUSABLE_DATASET),
    errors.DigestMismatch: _Kind(ProblemCode.DIGEST_MISMATCH),
    errors.FileTooLarge: _Kind(ProblemCode.BODY_TOO_LARGE),
    # Nobody reads the answer to a request that was cut off; 400 keeps it out of our own errors.
    errors.TransferAborted: _Kind(ProblemCode.INVALID_REQUEST, HTTPStatus.BAD_REQUEST),
    errors.TransferTooSlow: _Kind(ProblemCode.INVALID_REQUEST, HTTPStatus.REQUEST_TIMEOUT),
    errors.DiskFull: _Kind(ProblemCode.INSUFFICIENT_STORAGE, retry_after_s=_DISK_FULL_RETRY_S),
    errors.Busy: _Kind(ProblemCode.UNAVAILABLE, retry_after_s=RETRY_AFTER_S),
    errors.Stopping: _Kind(ProblemCode.UNAVAILABLE),
}


def domain_problem(error: errors.ServiceError) -> ApiProblem:
    """The problem of a domain error."""
    kind = next(_DOMAIN_ERRORS[cls] for cls in type(error).__mro__ if cls in _DOMAIN_ERRORS)
    if isinstance(error, errors.RenderingFailed):
        logger.error("a chart could not be drawn: %s", error.cause)
    return ApiProblem(
        kind.code,
        str(error),
        errors=getattr(error, "faults", ()),
        headers={} if kind.retry_after_s is None else {"Retry-After": str(kind.retry_after_s)},
        status=kind.status,
    )


def _handler(
    problem_of: Callable[[Any], ApiProblem],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(_: Request, error: Exception) -> Response:
        return problem_of(error).response()

    return handle


async def _routing_error(request: Request, error: Any) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(allowed_methods(request))
        detail = f"This path does not support the method; expected {allowed}."
        headers = {"Allow": allowed}
        return ApiProblem(ProblemCode.METHOD_NOT_ALLOWED, detail, headers=headers).response()
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "No such path. Start at GET /jobs or GET /catalog; /openapi.json lists all paths."
        return not_found(detail).response()
    status = HTTPStatus(error.status_code)
    return ApiProblem(ProblemCode.INVALID_REQUEST, status.phrase, status=status).response()


def _invalid_parameters(error: RequestValidationError) -> ApiProblem:
    faults = [_parameter_fault(complaint) for complaint in error.errors()[:MAX_FAULTS]]
    return domain_problem(errors.InvalidRequest(faults))


def _invalid_spec(error: SpecError) -> ApiProblem:
    faults = error.faults
    plural = "fault" if len(faults) == 1 else "faults"
    detail = f"{len(faults)} {plural} in the spec; each `pointer` leads to one."
    return ApiProblem(ProblemCode.INVALID_SPEC, detail, errors=faults)


def _illegal_transition(error: IllegalTransition) -> ApiProblem:
    status = error.status
    state = f"has already {status.value}" if status.terminal else f"is {status.value}"
    if status is JobStatus.CANCELLED:
        state = "was already cancelled"
    return ApiProblem(ProblemCode.CONFLICT, f"The job {state} and cannot be {error.wanted}.")


def _key_reused(error: IdempotencyConflict) -> ApiProblem:
    detail = (
        f"The key created {error.job_id} from another body. Send the same body again, or a new key"
        " for a new job."
    )
    return ApiProblem(ProblemCode.IDEMPOTENCY_KEY_REUSED, detail)


def _dataset_in_use(error: DatasetInUse) -> ApiProblem:
    detail = (
        f"Jobs that have not ended train on the data set: {', '.join(error.job_ids)}. Cancel them,"
        " or delete the data set once they have ended."
    )
    return ApiProblem(ProblemCode.CONFLICT, detail)


def _upload_ended(error: UploadEnded) -> ApiProblem:
    detail = f"The upload is complete: it became {error.dataset_id} and accepts no more parts."
    return ApiProblem(ProblemCode.CONFLICT, detail)


def _database_unavailable(error: DatabaseUnavailable) -> ApiProblem:
    logger.warning("the database does not answer: %s", error)
    return unavailable(
        "The database does not answer; everything accepted before is safe. Try again in a moment."
        " Repeat a POST with its Idempotency-Key: it may have been stored."
    )


def _files_unavailable(error: ArtifactsUnavailable) -> ApiProblem:
    logger.warning("the artifact store does not answer: %s", error)
    return unavailable("The file store does not answer; nothing is lost. Try again in a moment.")


def _files_foreign(error: ForeignStore) -> ApiProblem:
    logger.error("%s", error)
    detail = (
        "The file store is not known to belong to this service's database, so no file is stored"
        " there; nothing is lost. Operators: see the service log."
    )
    return ApiProblem(ProblemCode.UNAVAILABLE, detail)


def _internal(_: Exception) -> ApiProblem:
    # Starlette raises the error again after this answer, so the server logs its traceback.
    detail = "An internal error of Ridgeline. Try again; operators: see the service log."
    return ApiProblem(ProblemCode.INTERNAL, detail)


_PROBLEMS: dict[type[Exception], Callable[[Any], ApiProblem]] = {
    ApiProblem: lambda problem: problem,
    errors.ServiceError: domain_problem,
    RequestValidationError: _invalid_parameters,
    SpecError: _invalid_spec,
    UnknownJob: lambda _: not_found(
        "No job has this id; it may have been deleted. GET /jobs lists the jobs."
    ),
    UnknownDataset: lambda _: not_found(
        "No data set has this id; it may have been deleted. GET /datasets lists the data sets."
    ),
    UnknownUpload: lambda _: not_found(
        "No upload has this id; it may have expired. POST /uploads begins a new one."
    ),
    IllegalTransition: _illegal_transition,
    IdempotencyConflict: _key_reused,
    DatasetInUse: _dataset_in_use,
    UploadEnded: _upload_ended,
    DatabaseUnavailable: _database_unavailable,
    ArtifactsUnavailable: _files_unavailable,
    ForeignStore: _files_foreign,
    Exception: _internal,
}


def _parameter_fault(complaint: Mapping[str, Any]) -> Fault:
    """One of FastAPI's complaints about a parameter, without the value received."""
    place, *names = complaint["loc"]
    name = str(names[0])[:100] if names else ""
    at = {"query": f"?{name}", "path": f"{{{name}}}"}.get(str(place), f"{name}:")
    kind = str(complaint["type"])
    if kind == "extra_forbidden":
        return Fault(pointer=at, detail="unknown parameter; leave it out", rule="unknown-parameter")
    if kind == "string_pattern_mismatch":
        expected = "expected another format; see /openapi.json"
        detail = _PATTERNS.get(complaint["ctx"]["pattern"], expected)
        return Fault(pointer=at, detail=detail, rule=kind.replace("_", "-"))
    detail = str(complaint["ctx"]["error"]) if kind == "value_error" else str(complaint["msg"])
    detail = re.sub(
        r"^\w+ should (be )?", lambda m: "expected " if m[1] else "expected it to ", detail
    )
    return Fault(pointer=at, detail=detail, rule=kind.replace("_", "-"))
