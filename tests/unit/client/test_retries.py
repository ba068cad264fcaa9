"""When a request is retried, by a fake clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from ridgeline import Client
from ridgeline.client import ProblemError, Retries, UnavailableError, UnreachableError
from ridgeline.client._http import Transport, retry_after
from tests.unit.client.test_client import job_json

RETRIES = Retries(first_pause_s=1.0, longest_pause_s=4.0, budget_s=100.0, patience_s=1000.0)
QUICK = Retries(first_pause_s=0.001)
JOB = "job_" + "0" * 32


class Clock:
    """Time passes during a sleep, and when a request takes some."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def client(answer: Callable[[], httpx.Response], retries: Retries = RETRIES) -> Client:
    transport = httpx.MockTransport(lambda _: answer())
    return Client("http://ridgeline.test", transport=transport, retries=retries)


def away() -> httpx.Response:
    raise httpx.ConnectError("refused")


def unavailable(
    status: int = 503, code: str = "unavailable", retry_after: str | None = None
) -> httpx.Response:
    body = {"type": "t", "title": "No", "status": status, "detail": "why", "code": code}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=body, headers=headers)


def test_pauses_double_up_to_the_longest(clock: Clock) -> None:
    with pytest.raises(UnreachableError):
        client(away).job(JOB)
    assert len(clock.pauses) == 4
    for pause, most in zip(clock.pauses, (1, 2, 4, 4), strict=True):
        assert most / 2 <= pause <= most


def test_pauses_are_random(clock: Clock) -> None:
    for _ in range(5):
        with pytest.raises(UnreachableError):
            client(away).job(JOB)
    assert len(set(clock.pauses)) == 20


def test_request_that_was_never_sent_is_retried_whatever_its_method() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        raise httpx.ConnectError("refused") if len(requests) == 1 else httpx.ReadError("reset")

    service = Transport("http://ridgeline.test", 1, QUICK, httpx.MockTransport(answer))
    with pytest.raises(UnreachableError):
        service.send("POST", "/jobs", body=b"{}")
    assert len(requests) == 2


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_post_is_retried_only_with_a_key(headers: dict[str, str]) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        raise httpx.ReadError("reset")

    service = Transport("http://ridgeline.test", 1, QUICK, httpx.MockTransport(answer))
    with pytest.raises(UnreachableError):
        service.send("POST", "/jobs", body=b"{}", headers=headers)
    assert len(requests) == (5 if headers else 1)


@pytest.mark.parametrize("url", ["ridgeline", "ftp://ridgeline.test", ""])
def test_unusable_url_is_not_retried(clock: Clock, url: str) -> None:
    with Client(url) as hopeless, pytest.raises(UnreachableError, match="protocol"):
        hopeless.job(JOB)
    assert clock.pauses == []


def test_invalid_url_is_rejected_at_once() -> None:
    with pytest.raises(ValueError, match="expected the address of a service"):
        Client("http://[::1")


def test_retry_after_is_respected(clock: Clock) -> None:
    with pytest.raises(UnavailableError) as caught:
        client(lambda: unavailable(retry_after="7")).job(JOB)
    assert clock.pauses == [7.0] * 4
    assert caught.value.retry_after == 7.0


def test_retry_after_beyond_the_budget_gives_up(clock: Clock) -> None:
    with pytest.raises(UnavailableError):
        client(lambda: unavailable(retry_after="101")).job(JOB)
    assert clock.pauses == []


def test_slow_failures_exhaust_the_budget(clock: Clock) -> None:
    def slow() -> httpx.Response:
        clock.now += 40
        raise httpx.ReadTimeout("slow")

    with pytest.raises(UnreachableError):
        client(slow).job(JOB)
    assert len(clock.pauses) == 3
    assert clock.now == pytest.approx(4 * 40, abs=7)


def test_wait_that_has_started_is_patient(clock: Clock) -> None:
    answers = iter([httpx.Response(200, json=job_json("running"))])
    with pytest.raises(UnreachableError):
        client(lambda: next(answers, None) or away()).wait(JOB)
    assert clock.now == pytest.approx(1000, abs=10)
    assert len(clock.pauses) > 200


@pytest.mark.parametrize("status", [502, 503, 504, 429])
def test_proxy_errors_and_rate_limits_are_retried(clock: Clock, status: int) -> None:
    answers = iter([httpx.Response(status, text="<html>"), unavailable(404, "not-found")])
    with pytest.raises(ProblemError, match="404"):
        client(lambda: next(answers)).job(JOB)
    assert len(clock.pauses) == 1


def test_full_disk_is_not_retried(clock: Clock) -> None:
    with pytest.raises(UnavailableError):
        client(lambda: unavailable(code="insufficient-storage")).job(JOB)
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), ("0.5", 0.5), ("-1", 0), ("", None), ("soon", None), ("nan", None), ("inf", None)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(503, headers={"Retry-After": text})) == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = retry_after(httpx.Response(503, headers={"Retry-After": date}))
    assert seconds == pytest.approx(60, abs=2)
    assert retry_after(httpx.Response(503, headers={"Retry-After": "Thu, 01 Jan 1970"})) in (
        0,
        None,
    )
