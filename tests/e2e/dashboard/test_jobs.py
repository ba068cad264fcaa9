"""Jobs in a browser, with a running worker: from the form to the downloaded model."""

import hashlib
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.dashboard.conftest import set_epochs, spec, trained, wait_until_valid
from tests.rig.proxy import Proxy

if TYPE_CHECKING:
    from tests.e2e.dashboard.conftest import Visit

pytestmark = pytest.mark.servers

LONG = 20_000
"""More epochs than a test waits for."""


def submit(visit: "Visit", name: str, epochs: int) -> Page:
    """Submit a job with the form and return its page."""
    page = visit.open("/ui/new")
    page.get_by_label("Name", exact=True).fill(name)
    set_epochs(page, epochs)
    wait_until_valid(page)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    return page


@pytest.fixture
def network(service_url: str) -> Iterator[Proxy]:
    """A proxy between the browser and the service."""
    with Proxy(int(service_url.rpartition(":")[2].strip("/"))) as proxy:
        yield proxy


def status(page: Page) -> Any:
    return page.locator(".progress-line .status")


def test_job_from_the_form_publishes_its_model(visit: "Visit", api: httpx.Client) -> None:
    page = submit(visit, "from the form", epochs=40)
    expect(status(page)).to_have_text("succeeded")
    expect(page).to_have_title("from the form, succeeded · Ridgeline")
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator(".figures")).to_contain_text("Validation data loss")
    expect(page.locator(".terms tbody tr")).to_have_count(3)
    expect(page.locator("figure.losses svg")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="model.keras").click()
    path = downloading.value.path()
    (job,) = [
        entry for entry in api.get("/jobs").json()["items"] if entry["name"] == "from the form"
    ]
    (model,) = [file for file in job["artifacts"] if file["name"] == "model.keras"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == model["sha256"]
    assert "model.weights.h5" in zipfile.ZipFile(path).namelist()


def test_running_job_updates_live_and_obeys_its_buttons(visit: "Visit") -> None:
    page = submit(visit, "long", LONG)
    expect(page.locator(".connection-state")).to_have_attribute("data-state", "live")
    chart = page.locator("figure.losses svg")
    expect(chart).to_be_visible()
    drawn = chart.inner_html()
    expect(page.locator(".progress-text")).to_contain_text("left")
    expect(chart).not_to_have_js_property("innerHTML", drawn)
    page.get_by_role("button", name="Pause").click()
    expect(status(page)).to_have_text("paused")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator("#polite")).to_contain_text("is paused")
    page.get_by_role("button", name="Resume").click()
    expect(status(page)).to_have_text("running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    expect(dialog.get_by_role("button", name="Keep training")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel job").click()
    expect(status(page)).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete permanently").click()
    expect(page).to_have_url(f"{visit.url}/")
    expect(page.get_by_role("link", name="long", exact=True)).to_have_count(0)


def test_interrupted_stream_reconnects(visit: "Visit", network: Proxy, api: httpx.Client) -> None:
    visit.offline_expected = True
    job = api.post("/jobs", json=spec("interrupted", LONG)).json()
    visit.url = f"http://127.0.0.1:{network.port}"
    page = visit.open(f"/ui/jobs/{job['id']}")
    connection = page.locator(".connection-state")
    expect(connection).to_have_attribute("data-state", "live")
    network.refuse()
    expect(connection).to_have_attribute("data-state", "waiting")
    progress = page.locator(".progress-text").inner_text()
    network.forward()
    expect(connection).to_have_attribute("data-state", "live")
    expect(page.locator(".progress-text")).not_to_have_text(progress)
    api.post(f"/jobs/{job['id']}/cancel")
    expect(status(page)).to_have_text("cancelled")
    expect(connection).to_have_attribute("data-state", "closed")


def test_page_of_a_job_deleted_elsewhere_says_so(
    visit: "Visit", network: Proxy, api: httpx.Client
) -> None:
    visit.offline_expected = True
    job = api.post("/jobs", json=spec("deleted", LONG)).json()
    for suffix in (
        "",
        "/events",
        *(f"/charts/{name}" for name in ("losses", "accuracy", "penalty")),
    ):
        visit.expect_error(404, f"/jobs/{job['id']}{suffix}")
    visit.url = f"http://127.0.0.1:{network.port}"
    page = visit.open(f"/ui/jobs/{job['id']}")
    connection = page.locator(".connection-state")
    expect(connection).to_have_attribute("data-state", "live")
    network.refuse()
    expect(connection).to_have_attribute("data-state", "waiting")
    api.post(f"/jobs/{job['id']}/cancel")
    api.get(f"/jobs/{job['id']}/events", headers={"Accept": "text/event-stream"})  # until it ends
    api.delete(f"/jobs/{job['id']}").raise_for_status()
    network.forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("The job was deleted")


def test_job_is_polled_where_streams_are_blocked(
    visit: "Visit", context: BrowserContext, api: httpx.Client
) -> None:
    """A proxy may block streams, or the browser may have too many connections."""
    context.route("**/events*", lambda route: route.fulfill(status=503, body="{}"))
    visit.expect_error(503, "/events")
    job = api.post("/jobs", json=spec("no stream", LONG)).json()
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(page.locator(".connection-state")).to_have_attribute("data-state", "polling")
    api.post(f"/jobs/{job['id']}/cancel")
    expect(status(page)).to_have_text("cancelled")


def test_html_in_names_and_tags_is_shown_as_text(visit: "Visit", api: httpx.Client) -> None:
    name = "<script>window.owned = 1</script><img src=x onerror=owned=1>"
    job = trained(api, name, epochs=2, tags=["<b>bold</b>"])
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_text("As posted").click()
    expect(page.locator(".json pre").first).to_contain_text("<script>")
    for path in ("/", f"/ui/new?job={job['id']}", f"/ui/compare?jobs={job['id']}"):
        visit.open(path)
        expect(page.locator("main")).to_contain_text(re.compile(r"<script>|New job"))
    page.goto(f"{visit.url}/")
    expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_text("<b>bold</b>")).to_be_visible()
    assert page.evaluate(
        "() => [window.owned, document.querySelectorAll('main b, main img').length]"
    ) == [None, 0]


def test_jobs_list_is_filtered_and_paged(visit: "Visit", api: httpx.Client) -> None:
    for number in range(26):
        answer = api.post("/jobs", json=spec(f"listed {number}", tags=["paged"]))
        api.post(f"/jobs/{answer.json()['id']}/cancel")
    page = visit.open("/?tag=paged")
    names = page.locator(".job-name")
    expect(names).to_have_count(25)
    expect(names.first).to_have_text("listed 25")
    page.get_by_role("link", name="Older jobs").click()
    expect(names).to_have_text(["listed 0"])
    page.get_by_role("link", name="Newest jobs").click()
    expect(names.first).to_have_text("listed 25")
    page.get_by_role("checkbox", name="running").check()
    expect(page.locator(".note")).to_contain_text("No jobs match")
    expect(page).to_have_url(re.compile(r"status=running&tag=paged$"))
    page.reload()
    expect(page.get_by_role("checkbox", name="running")).to_be_checked()
    page.get_by_role("checkbox", name="running").uncheck()
    expect(names).to_have_count(25)


def test_comparison_shows_curves_measurements_and_differences(
    visit: "Visit", api: httpx.Client
) -> None:
    jobs = [
        trained(api, f"compared {rate}", regularization={"dropout": {"rate": rate}}, tags=["pair"])
        for rate in (0.1, 0.5)
    ]
    page = visit.open("/?tag=pair")
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    for job in jobs:
        page.get_by_role("checkbox", name=f"Compare {job['name']}").check()
    compare.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare jobs")
    expect(page.locator(".chart svg")).to_contain_text("Loss compared")
    page.get_by_label("Metric").select_option("accuracy")
    expect(page.locator(".chart svg")).to_contain_text("Accuracy compared")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Save comparison.svg").click()
    assert "<svg" in downloading.value.path().read_text()
    differences = page.locator("section[aria-labelledby=differences-title]")
    expect(differences).to_contain_text("rate")
    expect(differences).to_contain_text("0.1")
    expect(differences).to_contain_text("0.5")
    measured = page.locator("section[aria-labelledby=measured-title] tbody tr")
    best = measured.filter(has=page.locator(".best")).locator("th").all_inner_texts()
    assert "val_data_loss" in best
    assert not {"loss", "data_loss", "train_data_loss", "accuracy", "val_loss"} & {*best}


def test_inserted_layer_is_one_difference(visit: "Visit", api: httpx.Client) -> None:
    posted = spec("one", epochs=2, regularization={})
    first, last = posted["model"]["layers"]
    between = {"model": {"layers": [first, {"type": "Dropout", "rate": 0.2}, last]}}
    answers = [api.post("/jobs", json=body).json() for body in (posted, posted | between)]
    for answer in answers:
        api.post(f"/jobs/{answer['id']}/cancel")
    page = visit.open(f"/ui/compare?jobs={','.join(answer['id'] for answer in answers)}")
    rows = page.locator("section[aria-labelledby=differences-title] tbody tr")
    expect(rows).to_have_text(["Dropout after densenoneDropout(rate=0.2)"])


def test_unknown_job_shows_not_found(visit: "Visit") -> None:
    visit.expect_error(404, "/jobs/job_0")
    page = visit.open("/ui/jobs/job_0")
    expect(page.get_by_role("heading", level=1)).to_have_text("Job not found")
    page.get_by_role("link", name="All jobs").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")


def test_log_can_be_filtered_by_level(visit: "Visit", job: dict[str, Any]) -> None:
    page = visit.open(f"/ui/jobs/{job['id']}")
    page.get_by_text("Log", exact=True).click()
    lines = page.locator(".log li")
    expect(lines.first).to_contain_text("transition")
    before = lines.count()
    page.get_by_label("Minimum level").select_option("warning")
    expect(lines).not_to_have_count(before)
