"""The Python client of a Ridgeline service.

Every error that it raises is one of these; errors of the network library are never passed on:

    RidgelineError
    ├── UnreachableError           the service could not be reached, or the connection broke
    ├── UnexpectedAnswerError      the response is not Ridgeline's: another server, or a proxy
    ├── WaitTimeoutError           the job has not ended within the timeout
    ├── ChecksumError              the bytes received are not those that were sent
    ├── NoSuchArtifactError        the job has published no file of that name
    ├── KerasMissingError          a model cannot be loaded where Keras is not installed
    └── ProblemError               the service returned a problem; see `problem`
        ├── InvalidRequestError    the request is invalid; see `problem.errors`
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
        ├── ConflictError          the state of the job or data set does not allow it
        │   └── IdempotencyKeyReusedError
        ├── UnavailableError       try again later
        │   └── InsufficientStorageError
        └── InternalError          the service failed
"""

from ridgeline.client._downloads import OnProgress
from ridgeline.client._http import Retries, Spec
from ridgeline.client.client import Client
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
from ridgeline.client.notebook import ChartFormat, JobView, Look

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
