"""HTTP: requests are sent, retried where that is safe, and their responses parsed."""

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from ridgeline.api.datasets import StoredDatasetPage
from ridgeline.api.job import JobPage
from ridgeline.api.problems import Problem, ProblemCode
from ridgeline.client.errors import ERRORS, ProblemError, UnexpectedAnswerError, UnreachableError
from ridgeline.spec.job_spec import JobSpec

#: How long one long-poll asks the service to hold its response, in seconds.
LONG_POLL_S = 20.0
#: Least pause between two polls without news, should a service not hold its response.
IDLE_PAUSE_S = 0.2
#: A proxy whose service is down or restarting returns 502 or 504; Ridgeline itself returns 503.
AWAY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
#: A connection that was never made carried nothing, so any request may be retried.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
#: The request itself is wrong; a retry does not change that.
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_JSON = {"Accept": "application/json"}
_IS_IT_RIDGELINE = "is the base URL a Ridgeline service of this version?"

Body = bytes | Callable[[], Iterator[bytes]]
"""The body of a request; a large one is generated anew for each try."""

Spec = JobSpec | Mapping[str, Any]
Query = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)
Page = TypeVar("Page", JobPage, StoredDatasetPage)


@dataclass(frozen=True)
class Retries:
    """How often, and for how long, a failed request is retried.

    A request is retried only where that is safe: if it changes nothing, has the same effect when
    sent twice, or is a POST with an Idempotency-Key. The pause doubles from the first to the
    longest and is shortened at random, so that clients do not all return at once. A Retry-After of
    the service is respected.
    """

    tries: int = 5
    """In all, including the first."""
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0
    budget_s: float = 30.0
    """No retry starts later than this many seconds after the first failure."""
    patience_s: float = 120.0
    """How long the service may be unreachable during a call that has already started: a wait, a
    stream of events, a download or an upload. It is the only limit on their retries, and it starts
    again whenever data arrives."""


class Backoff:
    """The pauses between the tries of one call."""

    def __init__(self, retries: Retries, *, patient: bool = False) -> None:
        self._retries = retries
        self._tries = None if patient else retries.tries
        self._budget_s = retries.patience_s if patient else retries.budget_s
        self._failures = 0
        self._until = 0.0

    def reset(self) -> None:
        """Start again, because data arrived."""
        self._failures = 0

    def pause_s(self, retry_after: float | None = None) -> float | None:
        """After a failure: the seconds to wait before the next try, or None to give up."""
        now = time.monotonic()
        if not self._failures:
            self._until = now + self._budget_s
        self._failures += 1
        if self._tries is not None and self._failures >= self._tries:
            return None
        doubled = self._retries.first_pause_s * 2.0 ** min(self._failures - 1, 30)
        pause = min(doubled, self._retries.longest_pause_s)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = max(pause, retry_after or 0.0)
        return pause if now + pause <= self._until else None


class Transport:
    """The connections to one service. Several threads may share one."""

    def __init__(
        self,
        base_url: str,
        timeout: float,
        retries: Retries,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.timeout = timeout
        self.retries = retries
        try:
            self._http = httpx.Client(base_url=base_url, timeout=timeout, transport=transport)
        except httpx.InvalidURL as error:
            raise ValueError(
                f"expected the address of a service, such as http://127.0.0.1:8000, received"
                f" {base_url!r}: {error}"
            ) from error

    @property
    def base_url(self) -> str:
        """The URL of the service, without a trailing slash."""
        return str(self._http.base_url).rstrip("/")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        repeatable: bool | None = None,
        patient: bool = False,
        held_s: float = 0.0,
        **request: Any,
    ) -> httpx.Response:
        """Send a request and read its response: a success, or 304.

        Args:
            method: the verb.
            path: below the base URL.
            body: the content to send.
            repeatable: whether a retry is safe; by default for every verb but POST, and for a POST
                with an Idempotency-Key.
            patient: the call is under way, so the service may be unreachable for a while.
            held_s: how long the service was asked to hold its response.
            request: `params` and `headers`.

        Raises UnreachableError, UnexpectedAnswerError, and the ProblemError of the response.
        """
        if repeatable is None:
            repeatable = method != "POST" or "Idempotency-Key" in request.get("headers", {})
        request["timeout"] = httpx.Timeout(self.timeout, read=self.timeout + held_s)
        backoff = Backoff(self.retries, patient=patient)
        lost = False
        while True:
            content = body() if callable(body) else body
            try:
                response = self._http.request(method, path, content=content, **request)
            except httpx.RequestError as error:
                lost = lost or not isinstance(error, _NEVER_SENT)
                retry = repeatable or isinstance(error, _NEVER_SENT)
                retry = retry and not isinstance(error, _HOPELESS)
                pause = backoff.pause_s() if retry else None
                if pause is None:
                    raise self.unreachable(error) from error
            else:
                if response.is_success or response.status_code == HTTPStatus.NOT_MODIFIED:
                    return response
                if lost and method == "DELETE" and response.status_code == HTTPStatus.NOT_FOUND:
                    return response  # deleted by the try whose response was lost
                lost = lost or response.status_code in AWAY
                pause = pause_after(response, backoff, repeatable=repeatable)
                if pause is None:
                    raise_error(response)
            time.sleep(pause)

    def get(self, model: type[Model], path: str, query: Query | None = None) -> Model:
        """Get a JSON document and parse it as `model`; a query value of None is left out."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        return read(model, self.send("GET", path, params=params, headers=_JSON))

    def get_list(self, model: type[Model], path: str) -> tuple[Model, ...]:
        """Get a JSON array and parse its items as `model`."""
        response = self.send("GET", path, headers=_JSON)
        models: TypeAdapter[tuple[Model, ...]]
        models = TypeAdapter(tuple[model, ...])  # type: ignore[valid-type]
        try:
            return models.validate_json(response.content, extra="ignore")
        except ValidationError as error:
            raise unexpected(response, f"list of {model.__name__}", error) from error

    def pages(self, page: type[Page], path: str, query: Query) -> Iterator[Page]:
        """Get the pages of a list, each when it is needed."""
        after: Query = {}
        while True:
            current = self.get(page, path, {**query, **after})
            yield current
            if current.next is None:
                return
            after = {"after": current.next}

    def send_spec(
        self, path: str, spec: Spec, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Post a spec, to be stored at most once however often it is sent."""
        if isinstance(spec, JobSpec):
            body = spec.model_dump_json(exclude_unset=True).encode()
        else:
            body = json.dumps(spec, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.send("POST", path, body=body, headers=headers, repeatable=True)

    def stream(
        self, method: str, path: str, *, silence_s: float = 0.0, **request: Any
    ) -> AbstractContextManager[httpx.Response]:
        """Send a request once and stream its response; httpx's errors pass to the caller.

        The response may be silent for `silence_s`, or for the client's own timeout if longer.
        """
        limits = httpx.Timeout(self.timeout, read=max(self.timeout, silence_s))
        return self._http.stream(method, path, timeout=limits, **request)

    def unreachable(self, error: httpx.RequestError) -> UnreachableError:
        """Make the error of a call that got no response."""
        cause = str(error) or type(error).__name__
        return UnreachableError(
            f"no response from {self.base_url}: {cause}; is the service running there"
            " (`ridgeline up`)?"
        )


def path_to(*parts: str) -> str:
    """The path of these segments; none of them can escape to another path."""
    return "".join(f"/{_segment(part)}" for part in parts)


def job_path(job_id: str, *rest: str) -> str:
    """The path of a job, or of something below it."""
    return path_to("jobs", job_id, *rest)


def _segment(part: str) -> str:
    # `.` and `..` would be resolved as the current and the parent folder.
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def pause_after(response: httpx.Response, backoff: Backoff, *, repeatable: bool) -> float | None:
    """The seconds to wait before the request is retried, or None if it is not."""
    away = response.status_code in AWAY and repeatable
    if not away and response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    problem = _problem(response)
    if problem is not None and problem.code is ProblemCode.INSUFFICIENT_STORAGE:
        return None
    return backoff.pause_s(retry_after(response))


def read(model: type[Model], response: httpx.Response) -> Model:
    """Parse a response as `model`; raises UnexpectedAnswerError."""
    try:
        # A newer service may return fields that this client does not know.
        return model.model_validate_json(response.content, extra="ignore")
    except ValidationError as error:
        raise unexpected(response, model.__name__, error) from error


def read_object(response: httpx.Response) -> dict[str, Any]:
    """Parse a response as a JSON object; raises UnexpectedAnswerError."""
    try:
        value = json.loads(response.content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UnexpectedAnswerError(
            f"expected a JSON object from {response.request.url}, received something else;"
            f" {_IS_IT_RIDGELINE}"
        )
    return value


def unexpected(
    response: httpx.Response, expected: str, error: ValidationError
) -> UnexpectedAnswerError:
    """Make the error of a response that is not the `expected` model."""
    fault = error.errors(include_input=False, include_url=False)[0]["msg"]
    return UnexpectedAnswerError(
        f"expected a {expected} from {response.request.url}, received something else: {fault};"
        f" {_IS_IT_RIDGELINE}"
    )


def raise_error(response: httpx.Response) -> NoReturn:
    """Raise the error that a response other than a success stands for."""
    retry_after_s = retry_after(response)
    problem = _problem(response)
    if problem is None:
        raise _newer_problem(response, retry_after_s) or UnexpectedAnswerError(
            f"{response.request.url} returned {response.status_code} without a problem that this"
            f" client knows; {_IS_IT_RIDGELINE}"
        )
    raise ERRORS.get(problem.code, ProblemError)(problem, retry_after_s)


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of a Retry-After header, which may hold a date instead."""
    text = response.headers.get("Retry-After", "")
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


def _problem(response: httpx.Response) -> Problem | None:
    """The problem in a response, if this client knows its code."""
    try:
        return Problem.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        return None


def _newer_problem(response: httpx.Response, retry_after_s: float | None) -> ProblemError | None:
    """The error of a problem that is valid except for its code, which this client does not know."""
    try:
        document = json.loads(response.content)
        is_client_error = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        code = ProblemCode.INVALID_REQUEST if is_client_error else ProblemCode.INTERNAL
        document["code"] = code
        problem = Problem.model_validate_json(json.dumps(document), extra="ignore")
    except (ValueError, TypeError):
        return None
    return ProblemError(problem, retry_after_s)
