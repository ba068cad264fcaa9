"""Everything the client raises, and which problem of the service becomes which error."""

from typing import ClassVar

from ridgeline.api.problems import Problem, ProblemCode


class RidgelineError(Exception):
    """Base of everything the client raises."""


class UnreachableError(RidgelineError):
    """The service could not be reached, or the connection broke, and trying again did not help."""


class UnexpectedAnswerError(RidgelineError):
    """An answer that is not Ridgeline's: another server, a proxy, or another version."""


class WaitTimeoutError(RidgelineError):
    """The job had not ended within the time given. It goes on."""


class ChecksumError(RidgelineError):
    """The bytes that arrived are not those that were sent; they were removed."""


class NoSuchArtifactError(RidgelineError):
    """The job has published no file of that name."""


class KerasMissingError(RidgelineError):
    """A model cannot be loaded here: Keras, or the backend it computes with, is not installed."""


class ProblemError(RidgelineError):
    """The service said no; `problem` says why, and `problem.errors` points at each fault.

    A problem whose code this client does not know is raised as this class itself; `problem.type`
    ends in the code.
    """

    code: ClassVar[ProblemCode]
    """The code whose problems become this class; the base stands for none."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        faults = "".join(f"\n  {fault.pointer}: {fault.detail}" for fault in problem.errors)
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}{faults}")
        self.problem = problem
        self.retry_after = retry_after
        """Seconds after which the service would like to be asked again, if it said so."""


class InvalidRequestError(ProblemError):
    """The request cannot be accepted as it is."""

    code = ProblemCode.INVALID_REQUEST


class MalformedJsonError(InvalidRequestError):
    """The body is not JSON."""

    code = ProblemCode.MALFORMED_JSON


class InvalidSpecError(InvalidRequestError):
    """The spec cannot be trained; `problem.errors` has a pointer to each fault in it."""

    code = ProblemCode.INVALID_SPEC


class UnusableDatasetError(InvalidRequestError):
    """The file cannot be used as a data set; `problem.errors` say what is wrong with it."""

    code = ProblemCode.UNUSABLE_DATASET


class DigestMismatchError(InvalidRequestError):
    """The bytes that the service received are not those that were sent: send them again."""

    code = ProblemCode.DIGEST_MISMATCH


class BodyTooLargeError(InvalidRequestError):
    """The body is longer than the service takes."""

    code = ProblemCode.BODY_TOO_LARGE


class UnsupportedMediaTypeError(InvalidRequestError):
    """The service does not read bodies of this media type."""

    code = ProblemCode.UNSUPPORTED_MEDIA_TYPE


class NotAcceptableError(InvalidRequestError):
    """The service has nothing of the media types that were asked for."""

    code = ProblemCode.NOT_ACCEPTABLE


class MethodNotAllowedError(InvalidRequestError):
    """The path does not take this method: is the service of another version?"""

    code = ProblemCode.METHOD_NOT_ALLOWED


class RangeNotSatisfiableError(InvalidRequestError):
    """The bytes that were asked for lie beyond the file."""

    code = ProblemCode.RANGE_NOT_SATISFIABLE


class NotFoundError(ProblemError):
    """There is no such job, file, data set or preset."""

    code = ProblemCode.NOT_FOUND


class ConflictError(ProblemError):
    """What was asked does not fit the present state of the job or the data set."""

    code = ProblemCode.CONFLICT


class IdempotencyKeyReusedError(ConflictError):
    """The Idempotency-Key was used before, with another body."""

    code = ProblemCode.IDEMPOTENCY_KEY_REUSED


class UnavailableError(ProblemError):
    """The service cannot serve the request now, and could not while it was tried again."""

    code = ProblemCode.UNAVAILABLE


class InsufficientStorageError(UnavailableError):
    """The disk of the service is full; somebody has to see to it, so it is not tried again."""

    code = ProblemCode.INSUFFICIENT_STORAGE


class InternalError(ProblemError):
    """A fault of the service's own; its log says more."""

    code = ProblemCode.INTERNAL


ERRORS: dict[ProblemCode, type[ProblemError]] = {
    each.code: each
    for each in (
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
"""The class of each code."""
