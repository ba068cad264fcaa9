"""The one error body (RFC 9457) and the codes it carries."""

from collections.abc import Sequence
from enum import StrEnum

from ridgeline.spec.schema import Contract

MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 20
"""How many faults one answer lists: a body of 1 MiB may hold hundreds of thousands."""


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


class Fault(Contract):
    """One thing wrong with a request."""

    pointer: str
    """RFC 6901 JSON pointer into the body, such as `/model/layers/0/units`; for a query
    parameter `?name`, for one of the path `{name}`, for a header `name:`."""
    detail: str
    """What was expected, and how to fix it."""
    rule: str
    """The rule that was broken, for programs."""


class Problem(Contract):
    """An `application/problem+json` body. It never echoes the request's values at large."""

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    errors: tuple[Fault, ...] = ()


class SpecError(ValueError):
    """The spec is well-formed JSON of the right types, but it cannot be trained."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults[:MAX_FAULTS])
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in self.faults))


def pointer(*parts: str | int) -> str:
    """The RFC 6901 pointer to `parts`: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
