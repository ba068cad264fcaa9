"""The attempts of a job, on its page."""

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.dashboard.conftest import spec

if TYPE_CHECKING:
    from tests.e2e.dashboard.conftest import Visit

pytestmark = pytest.mark.servers

LONG = 20_000
"""More epochs than a test waits for."""
RUNNING: dict[str, Any] = {
    "number": 1,
    "worker": "host-1:4711",
    "started_at": "2026-11-30T21:00:00.000Z",
    "ended_at": None,
    "outcome": "running",
    "exit_code": None,
    "signal": None,
    "reason": None,
    "epochs": 3,
}
KILLED = RUNNING | {
    "ended_at": "2026-11-30T21:02:05.000Z",
    "outcome": "crashed",
    "signal": "SIGKILL",
    "reason": "The trainer was killed.",
    "epochs": 12,
}
EXITED = KILLED | {
    "number": 2,
    "outcome": "evicted",  # not an outcome that the dashboard knows
    "signal": None,
    "exit_code": 3,
    "reason": None,
    "epochs": 0,
}


# Crashes are rare: the browser answers the request in place of the service.
def fulfil(context: BrowserContext, *responses: list[dict[str, Any]]) -> list[str]:
    """Return each response once, then the last one; the list holds the requested addresses."""
    requests: list[str] = []

    def respond(route: Route) -> None:
        requests.append(route.request.url)
        index = min(len(requests), len(responses)) - 1
        route.fulfill(json={"attempts": responses[index]})

    context.route("**/jobs/*/attempts", respond)
    return requests


def rows(page: Page) -> Any:
    return page.get_by_role("region", name="Attempts").locator("tbody tr")


def cells(page: Page, index: int) -> list[str]:
    return [text.strip() for text in rows(page).nth(index).locator("th, td").all_inner_texts()]


def test_attempt_of_a_finished_job_is_shown_as_the_service_reports_it(
    visit: "Visit", job: dict[str, Any], api: httpx.Client
) -> None:
    (attempt,) = api.get(f"/jobs/{job['id']}/attempts").json()["attempts"]
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(rows(page)).to_have_count(1)
    number, worker, *_, outcome, epochs = cells(page, 0)
    assert (number, worker) == ("1", attempt["worker"])
    assert (outcome, epochs) == (attempt["outcome"], str(job["progress"]["epoch"]))


def test_attempts_show_how_they_ended(
    visit: "Visit", context: BrowserContext, job: dict[str, Any]
) -> None:
    fulfil(context, [KILLED, EXITED, RUNNING | {"number": 3}])
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(rows(page)).to_have_count(3)
    number, worker, started, duration, outcome, epochs = cells(page, 0)
    assert (number, worker, duration, epochs) == ("1", "host-1:4711", "2 min 5 s", "12")
    assert "2026" in started
    assert re.fullmatch(r"crashed, SIGKILL\s+The trainer was killed\.", outcome)
    assert cells(page, 1)[3:] == ["2 min 5 s", "evicted, exit code 3", "0"]
    assert cells(page, 2)[3:] == ["–", "running", "–"]


def test_attempts_reload_when_the_status_changes(
    visit: "Visit", context: BrowserContext, api: httpx.Client
) -> None:
    cancelled = RUNNING | {"ended_at": "2026-11-30T21:00:07.000Z", "outcome": "cancelled"}
    # The job may be opened before its first attempt, so the responses depend on its status.
    outcomes: dict[str, list[dict[str, Any]]] = {"running": [RUNNING], "cancelled": [cancelled]}
    job = api.post("/jobs", json=spec("attempted", LONG)).json()

    def respond(route: Route) -> None:
        status = api.get(f"/jobs/{job['id']}").json()["status"]
        route.fulfill(json={"attempts": outcomes.get(status, [RUNNING])})

    context.route("**/jobs/*/attempts", respond)
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(rows(page)).to_contain_text(["running"])
    api.post(f"/jobs/{job['id']}/cancel")
    expect(rows(page)).to_contain_text(["cancelled"])


def test_job_without_an_attempt_shows_no_attempts(
    visit: "Visit", context: BrowserContext, job: dict[str, Any]
) -> None:
    requests = fulfil(context, [])

    def before_the_first_attempt(route: Route) -> None:
        route.fulfill(json=job | {"status": "cancelled", "attempt": 0, "artifacts": []})

    # The page itself is at /ui/jobs/{id}.
    context.route(re.compile(rf"(?<!/ui)/jobs/{job['id']}$"), before_the_first_attempt)
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(page.locator(".progress-line .status")).to_have_text("cancelled")
    expect(page.locator("section[aria-labelledby=attempts-title]")).to_be_hidden()
    assert requests == []
