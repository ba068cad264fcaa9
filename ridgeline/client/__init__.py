"""The Python client of a Ridgeline service.

Every error it raises is one of these; a network library's own never leaks:

    RidgelineError
    ├── UnreachableError           the service could not be reached, or the connection broke
    ├── UnexpectedAnswerError      an answer that is not Ridgeline's: another server, or a proxy
    ├── WaitTimeoutError           the job had not ended within the time given
    ├── ChecksumError              the bytes that arrived are not those that were sent
    ├── NoSuchArtifactError        the job has published no file of that name
    ├── KerasMissingError          a model cannot be loaded where Keras is not installed
    └── ProblemError               the service said no; `problem` says why
        ├── InvalidRequestError    it cannot be accepted as it is; see `problem.errors`
        │   ├── MalformedJsonError
        │   ├── InvalidSpecError
        │   ├── UnusableDatasetError
        │   ├── DigestMismatchError
        │   ├── BodyTooLargeError
        │   ├── UnsupportedMediaTypeError
        │   ├── NotAcceptableError
        │   ├── MethodNotAllowedError
        │   └── RangeNotSatisfiableError
        ├── NotFoundError
        ├── ConflictError          it does not fit the job's present state
        │   └── IdempotencyKeyReusedError
        ├── UnavailableError       try again later
        │   └── InsufficientStorageError
        └── InternalError          a fault of the service's own
"""

from ridgeline.client.charts import ChartFormat, Look
from ridgeline.client.client import Client
from ridgeline.client.downloads import OnProgress
from ridgeline.client.errors import (
    BodyTooLargeError,
    ChecksumError,
    ConflictError,
    DigestMismatchError,
    IdempotencyKeyReusedError,
    InsufficientStorageError,
    InternalError,
    InvalidRequestError,
    InvalidSpecError,
    KerasMissingError,
    MalformedJsonError,
    MethodNotAllowedError,
    NoSuchArtifactError,
    NotAcceptableError,
    NotFoundError,
    ProblemError,
    RangeNotSatisfiableError,
    RidgelineError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
    UnsupportedMediaTypeError,
    UnusableDatasetError,
    WaitTimeoutError,
)
from ridgeline.client.jobs import Spec
from ridgeline.client.retries import Retries
from ridgeline.client.views import JobView

__all__ = [
    "BodyTooLargeError",
    "ChartFormat",
    "ChecksumError",
    "Client",
    "ConflictError",
    "DigestMismatchError",
    "IdempotencyKeyReusedError",
    "InsufficientStorageError",
    "InternalError",
    "InvalidRequestError",
    "InvalidSpecError",
    "JobView",
    "KerasMissingError",
    "Look",
    "MalformedJsonError",
    "MethodNotAllowedError",
    "NoSuchArtifactError",
    "NotAcceptableError",
    "NotFoundError",
    "OnProgress",
    "ProblemError",
    "RangeNotSatisfiableError",
    "Retries",
    "RidgelineError",
    "Spec",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "UnsupportedMediaTypeError",
    "UnusableDatasetError",
    "WaitTimeoutError",
]
