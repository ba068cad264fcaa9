"""The error body of every response (RFC 9457) and its codes."""

from enum import StrEnum

from ridgeline.spec.faults import Fault
from ridgeline.spec.schema import Contract

MEDIA_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """What went wrong, for programs; `type` is `urn:ridgeline:problem:<code>`."""

    MALFORMED_JSON = "malformed-json"
    INVALID_REQUEST = "invalid-request"
    INVALID_SPEC = "invalid-spec"
    BODY_TOO_LARGE = "body-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    CONFLICT = "conflict"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    UNUSABLE_DATASET = "unusable-dataset"
    DIGEST_MISMATCH = "digest-mismatch"
    INSUFFICIENT_STORAGE = "insufficient-storage"
    RANGE_NOT_SATISFIABLE = "range-not-satisfiable"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class Problem(Contract):
    """An `application/problem+json` body. Values of the request are quoted only in part."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    errors: tuple[Fault, ...] = ()
