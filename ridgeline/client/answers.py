"""Reads what the service answers: a model of the contract, or a problem."""

import json
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from ridgeline.api.problems import Problem, ProblemCode
from ridgeline.client.errors import ERRORS, ProblemError, UnexpectedAnswerError

Model = TypeVar("Model", bound=BaseModel)

_FAMILIAR = "is the base URL a Ridgeline service of this version?"


def read(model: type[Model], answer: httpx.Response) -> Model:
    """The answer as a `model`; raises UnexpectedAnswerError."""
    try:
        # A newer service may say more than this client knows.
        return model.model_validate_json(answer.content, extra="ignore")
    except ValidationError as error:
        raise unexpected(answer, model.__name__, error) from error


def read_object(answer: httpx.Response) -> dict[str, Any]:
    """The answer as the JSON object it is; raises UnexpectedAnswerError."""
    try:
        value = json.loads(answer.content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UnexpectedAnswerError(
            f"expected a JSON object from {answer.request.url}, received something else;"
            f" {_FAMILIAR}"
        )
    return value


def unexpected(
    answer: httpx.Response, expected: str, error: ValidationError
) -> UnexpectedAnswerError:
    """Make the error of an answer that is not what was `expected`."""
    fault = error.errors(include_input=False, include_url=False)[0]["msg"]
    return UnexpectedAnswerError(
        f"expected a {expected} from {answer.request.url}, received something else: {fault};"
        f" {_FAMILIAR}"
    )


def refuse(answer: httpx.Response) -> NoReturn:
    """Raise the error that an answer other than a success is."""
    again = retry_after(answer)
    problem = problem_of(answer)
    if problem is None:
        raise _newer_problem(answer, again) or UnexpectedAnswerError(
            f"{answer.request.url} answered {answer.status_code} without a problem that this"
            f" client knows; {_FAMILIAR}"
        )
    raise ERRORS.get(problem.code, ProblemError)(problem, again)


def problem_of(answer: httpx.Response) -> Problem | None:
    """The problem that an answer holds, if it is one that this client knows."""
    try:
        return Problem.model_validate_json(answer.content, extra="ignore")
    except ValidationError:
        return None


def retry_after(answer: httpx.Response) -> float | None:
    """The seconds of a Retry-After header, which may give a date instead."""
    text = answer.headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text)
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return (then - datetime.now(UTC)).total_seconds() if then.tzinfo else math.nan


def _newer_problem(answer: httpx.Response, again: float | None) -> ProblemError | None:
    """The error of a problem that is right but for its code, which this client does not know."""
    try:
        told = json.loads(answer.content)
        mistaken = answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        told["code"] = ProblemCode.INVALID_REQUEST if mistaken else ProblemCode.INTERNAL
        problem = Problem.model_validate_json(json.dumps(told), extra="ignore")
    except (ValueError, TypeError):
        return None
    return ProblemError(problem, again)
