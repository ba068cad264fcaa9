"""The errors that the client raises, and which problem of the service becomes which error."""

from typing import ClassVar

from ridgeline.api.problems import Problem, ProblemCode


class RidgelineError(Exception):
    """Base of every error that the client raises."""


class UnreachableError(RidgelineError):
    """The service could not be reached, or the connection broke, and no retry succeeded."""


class UnexpectedAnswerError(RidgelineError):
    """The response is not Ridgeline's: another server, a proxy, or another version."""


class WaitTimeoutError(RidgelineError):
    """The job has not ended within the timeout. It keeps running."""


class ChecksumError(RidgelineError):
    """The bytes received are not those that were sent; they were removed."""


class NoSuchArtifactError(RidgelineError):
    """The job has published no file of that name."""


class KerasMissingError(RidgelineError):
    """A model cannot be loaded: Keras, or the backend it needs, is not installed."""


class ProblemError(RidgelineError):
    """The service returned a problem; `problem.errors` points at each fault.

    A problem whose code this client does not know is raised as this class itself; `problem.type`
    ends in the code.
    """

    code: ClassVar[ProblemCode]
    """The problem code that this class stands for; the base class has none."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        faults = "".join(f"\n  {fault.pointer}: {fault.detail}" for fault in problem.errors)
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}{faults}")
        self.problem = problem
        self.retry_after = retry_after
        """Seconds after which the service asks to be retried, if it sent a Retry-After."""


class InvalidRequestError(ProblemError):
    """The request is invalid."""

    code = ProblemCode.INVALID_REQUEST


class MalformedJsonError(InvalidRequestError):
    """The body is not JSON."""

    code = ProblemCode.MALFORMED_JSON


class InvalidSpecError(InvalidRequestError):
    """The spec cannot be trained; `problem.errors` has a pointer to each fault in it."""

    code = ProblemCode.INVALID_SPEC


class UnusableDatasetError(InvalidRequestError):
    """The file cannot be used as a data set; `problem.errors` lists its faults."""

    code = ProblemCode.UNUSABLE_DATASET


class DigestMismatchError(InvalidRequestError):
    """The bytes that the service received are not those that were sent: send them again."""

    code = ProblemCode.DIGEST_MISMATCH


class BodyTooLargeError(InvalidRequestError):
    """The body is longer than the service accepts."""

    code = ProblemCode.BODY_TOO_LARGE


class UnsupportedMediaTypeError(InvalidRequestError):
    """The service does not read bodies of this media type."""

    code = ProblemCode.UNSUPPORTED_MEDIA_TYPE


class NotAcceptableError(InvalidRequestError):
    """The service offers none of the media types in the Accept header."""

    code = ProblemCode.NOT_ACCEPTABLE


class MethodNotAllowedError(InvalidRequestError):
    """The path does not support this method: is the service of another version?"""

    code = ProblemCode.METHOD_NOT_ALLOWED


class RangeNotSatisfiableError(InvalidRequestError):
    """The requested bytes lie beyond the end of the file."""

    code = ProblemCode.RANGE_NOT_SATISFIABLE


class NotFoundError(ProblemError):
    """The job, file, data set or preset does not exist."""

    code = ProblemCode.NOT_FOUND


class ConflictError(ProblemError):
    """The state of the job or the data set does not allow the request."""

    code = ProblemCode.CONFLICT


class IdempotencyKeyReusedError(ConflictError):
    """The Idempotency-Key was used before, with another body."""

    code = ProblemCode.IDEMPOTENCY_KEY_REUSED


class UnavailableError(ProblemError):
    """The service cannot serve the request now, and no retry succeeded."""

    code = ProblemCode.UNAVAILABLE


class InsufficientStorageError(UnavailableError):
    """The service's disk is full. The request is not retried: an operator must free space."""

    code = ProblemCode.INSUFFICIENT_STORAGE


class InternalError(ProblemError):
    """The service failed; see its log."""

    code = ProblemCode.INTERNAL


ERRORS: dict[ProblemCode, type[ProblemError]] = {
    error.code: error
    for error in (
        MalformedJsonError,
        InvalidRequestError,
        InvalidSpecError,
        UnusableDatasetError,
        DigestMismatchError,
        BodyTooLargeError,
        UnsupportedMediaTypeError,
        NotAcceptableError,
        NotFoundError,
        MethodNotAllowedError,
        ConflictError,
        IdempotencyKeyReusedError,
        RangeNotSatisfiableError,
        UnavailableError,
        InsufficientStorageError,
        InternalError,
    )
}
"""The error class of each problem code."""
