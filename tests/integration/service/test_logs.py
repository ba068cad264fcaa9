"""GET /jobs/{id}/logs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.log import LogEntry, LogLevel, LogPage, LogSource
from ridgeline.storage import LeaseStore, LogLine
from service.services import Services

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
LINES = (
    LogLine(AT, LogLevel.INFO, LogSource.WORKER, "attempt_started", '{"slot": "cpu:0"}'),
    LogLine(AT, LogLevel.WARNING, LogSource.TRAINER, "two\nlines", '{"why": "a \\"b\\"", "n": 1}'),
    LogLine(AT, LogLevel.ERROR, LogSource.STDERR, "trainer_stderr", '{"text": "one\\ntwo"}'),
)


@pytest.fixture
def logged(services: Services, submit: Callable[..., str], worker: Any) -> str:
    """A running job with a log."""
    job_id = submit()
    LeaseStore(services.database).write_log(worker.claim(job_id), LINES)
    return job_id


def test_a_log_is_a_page_of_json(client: TestClient, logged: str, worker: Any) -> None:
    answer = client.get(f"/jobs/{logged}/logs")
    assert answer.headers["content-type"] == "application/json"
    page = LogPage.model_validate_json(answer.content)
    assert [entry.id for entry in page.items] == [1, 2, 3, 4, 5]
    assert (page.next, page.dropped) == (None, 0)
    queued, running, started, *_ = page.items
    assert queued.fields == {"before": None, "after": "queued", "reason": None}
    assert running.fields == {"before": "queued", "after": "running", "reason": None}
    assert started == LogEntry(
        id=3,
        at=AT,
        attempt=1,
        fence=1,
        level=LogLevel.INFO,
        source=LogSource.WORKER,
        event="attempt_started",
        fields={"slot": "cpu:0"},
    )


def test_pages_lead_to_the_end(client: TestClient, logged: str) -> None:
    first = client.get(f"/jobs/{logged}/logs?limit=2&level=warning")
    assert [entry["id"] for entry in first.json()["items"]] == [4, 5]
    first = client.get(f"/jobs/{logged}/logs?limit=4")
    assert first.json()["next"] == 4
    assert first.headers["link"] == f'</jobs/{logged}/logs?after=4&limit=4>; rel="next"'
    rest = client.get(first.links["next"]["url"]).json()
    assert ([entry["id"] for entry in rest["items"]], rest["next"]) == ([5], None)


def test_a_log_is_available_as_text_and_lines(client: TestClient, logged: str) -> None:
    text = client.get(f"/jobs/{logged}/logs?after=2", headers={"Accept": "text/plain"})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    start = "2026-01-02T03:04:05.678000Z"
    assert text.text.splitlines() == [
        f"{start} info     worker  attempt 1 attempt_started slot=cpu:0",
        f'{start} warning  trainer attempt 1 two lines why="a \\"b\\"" n=1',
        f"{start} error    stderr  attempt 1 trainer_stderr",
        *("    text:", "    | one", "    | two"),
    ]
    lines = client.get(f"/jobs/{logged}/logs", headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    entries = [LogEntry.model_validate_json(line) for line in lines.text.splitlines()]
    assert [entry.id for entry in entries] == [1, 2, 3, 4, 5]
    assert lines.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("query", "at"),
    [
        *(("after=-1", "?after"), ("after=99999999999", "?after"), ("limit=0", "?limit")),
        *(("limit=1001", "?limit"), ("level=x", "?level"), ("tail=5", "?tail")),
    ],
)
def test_wrong_parameters_are_rejected(
    client: TestClient, logged: str, query: str, at: str
) -> None:
    answer = client.get(f"/jobs/{logged}/logs?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, at)


def test_an_unknown_job_or_format_is_a_problem(client: TestClient, logged: str) -> None:
    for job_id in ("job_" + "0" * 32, "x", "%00"):
        assert client.get(f"/jobs/{job_id}/logs").status_code == 404
    answer = client.get(f"/jobs/{logged}/logs", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


def test_a_log_ends_with_the_end_of_its_job(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    worker.train(job_id := submit())
    last = client.get(f"/jobs/{job_id}/logs").json()["items"][-1]
    assert json.dumps(last["fields"]) == (
        '{"before": "running", "after": "succeeded", "reason": "completed"}'
    )
