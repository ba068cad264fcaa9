"""How requests travel: each is tried again where that helps and does no harm."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ridgeline.api.problems import ProblemCode
from ridgeline.client.answers import problem_of, refuse, retry_after
from ridgeline.client.errors import UnreachableError
from ridgeline.client.retries import Attempts, Retries

Body = bytes | Callable[[], Iterator[bytes]]
"""What a request carries; a large one is made anew for each try."""

#: A proxy whose service is away, or restarts, answers 502 or 504; Ridgeline itself answers 503.
AWAY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
#: A connection that was never made carried nothing, so anything may be tried again.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
#: Trying again does not change what is wrong with the request.
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


class Transport:
    """The connections to one service. Several threads may use it at once."""

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
        """Where the service is."""
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
        """Send a request and read its answer: a success, or 304.

        Args:
            method: the verb.
            path: below the base URL.
            body: what it carries.
            repeatable: whether a second try does no harm; by default that of every verb but POST,
                and of a POST with an Idempotency-Key.
            patient: the call is under way, so the service may be away for a while.
            held_s: for how long the service may hold its answer, as it was asked to.
            request: `params` and `headers`.

        Raises UnreachableError, UnexpectedAnswerError, and the ProblemError that was answered.
        """
        if repeatable is None:
            repeatable = method != "POST" or "Idempotency-Key" in request.get("headers", {})
        request["timeout"] = httpx.Timeout(self.timeout, read=self.timeout + held_s)
        attempts = Attempts(self.retries, patient=patient)
        lost = False
        while True:
            content = body() if callable(body) else body
            try:
                answer = self._http.request(method, path, content=content, **request)
            except httpx.RequestError as error:
                lost = lost or not isinstance(error, _NEVER_SENT)
                again = repeatable or isinstance(error, _NEVER_SENT)
                again = again and not isinstance(error, _HOPELESS)
                pause = attempts.pause_s() if again else None
                if pause is None:
                    raise self.unreachable(error) from error
            else:
                if answer.is_success or answer.status_code == HTTPStatus.NOT_MODIFIED:
                    return answer
                if lost and method == "DELETE" and answer.status_code == HTTPStatus.NOT_FOUND:
                    return answer  # deleted by the try whose answer was lost
                lost = lost or answer.status_code in AWAY
                pause = pause_after(answer, attempts, repeatable=repeatable)
                if pause is None:
                    refuse(answer)
            time.sleep(pause)

    def stream(
        self, method: str, path: str, *, silence_s: float = 0.0, **request: Any
    ) -> AbstractContextManager[httpx.Response]:
        """Send a request once, and read its answer as it comes; httpx's errors are the caller's.

        The answer may be silent for `silence_s`, or for the client's own time limit.
        """
        limits = httpx.Timeout(self.timeout, read=max(self.timeout, silence_s))
        return self._http.stream(method, path, timeout=limits, **request)

    def unreachable(self, error: httpx.RequestError) -> UnreachableError:
        """Make the error of a call that got no answer."""
        cause = str(error) or type(error).__name__
        return UnreachableError(
            f"no answer from {self.base_url}: {cause}; is the service running there"
            " (`ridgeline up`)?"
        )


def path_to(*parts: str) -> str:
    """The path of these segments; none of them reaches another path."""
    return "".join(f"/{_segment(part)}" for part in parts)


def job_path(job_id: str, *rest: str) -> str:
    """The path of a job, or of something below it."""
    return path_to("jobs", job_id, *rest)


def _segment(part: str) -> str:
    # Dots alone would be taken for the folder above.
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def pause_after(answer: httpx.Response, attempts: Attempts, *, repeatable: bool) -> float | None:
    """How long to wait before the request is tried again, or None if it is not."""
    away = answer.status_code in AWAY and repeatable
    if not away and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    problem = problem_of(answer)
    if problem is not None and problem.code is ProblemCode.INSUFFICIENT_STORAGE:
        return None
    return attempts.pause_s(retry_after(answer))
