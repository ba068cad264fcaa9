"""From the form to the downloaded model, in a browser, with a worker that trains."""

import hashlib
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.dashboard.conftest import ready, set_epochs, spec, trained
from tests.rig.proxy import Proxy

if TYPE_CHECKING:
    from tests.e2e.dashboard.conftest import Visit

pytestmark = pytest.mark.servers

LONG = 20_000
"""Epochs that nobody waits for the end of."""


def submitted(visit: "Visit", name: str, epochs: int) -> Page:
    """A job begun with the form, and its page."""
    page = visit.open("/ui/new")
    page.get_by_label("Name", exact=True).fill(name)
    set_epochs(page, epochs)
    ready(page)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    return page


@pytest.fixture
def network(service_url: str) -> Iterator[Proxy]:
    """What lies between the browser and the service."""
    with Proxy(int(service_url.rpartition(":")[2].strip("/"))) as proxy:
        yield proxy


def state(page: Page) -> Any:
    return page.locator(".progress-line .status")


def test_from_the_form_to_the_model(visit: "Visit", api: httpx.Client) -> None:
    page = submitted(visit, "from the form", epochs=40)
    expect(state(page)).to_have_text("succeeded")
    expect(page).to_have_title("from the form, succeeded · Ridgeline")
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator(".figures")).to_contain_text("Validation data loss")
    expect(page.locator(".terms tbody tr")).to_have_count(3)
    expect(page.locator("figure.losses svg")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="model.keras").click()
    path = downloading.value.path()
    (job,) = [each for each in api.get("/jobs").json()["items"] if each["name"] == "from the form"]
    (model,) = [each for each in job["artifacts"] if each["name"] == "model.keras"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == model["sha256"]
    assert "model.weights.h5" in zipfile.ZipFile(path).namelist()


def test_curves_grow_while_it_trains_and_a_pause_stops_them(visit: "Visit") -> None:
    page = submitted(visit, "long", LONG)
    expect(page.locator(".link-state")).to_have_attribute("data-state", "live")
    chart = page.locator("figure.losses svg")
    expect(chart).to_be_visible()
    drawn = chart.inner_html()
    expect(page.locator(".progress-text")).to_contain_text("left")
    expect(chart).not_to_have_js_property("innerHTML", drawn)
    page.get_by_role("button", name="Pause").click()
    expect(state(page)).to_have_text("paused")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator("#polite")).to_contain_text("is paused")
    page.get_by_role("button", name="Resume").click()
    expect(state(page)).to_have_text("running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    expect(dialog.get_by_role("button", name="Let it train")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(state(page)).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page).to_have_url(f"{visit.url}/")
    expect(page.get_by_role("link", name="long", exact=True)).to_have_count(0)


def test_a_stream_that_breaks_off_goes_on(
    visit: "Visit", network: Proxy, api: httpx.Client
) -> None:
    visit.offline_expected = True
    job = api.post("/jobs", json=spec("breaks off", LONG)).json()
    visit.url = f"http://127.0.0.1:{network.port}"
    page = visit.open(f"/ui/jobs/{job['id']}")
    link = page.locator(".link-state")
    expect(link).to_have_attribute("data-state", "live")
    network.refuse()
    expect(link).to_have_attribute("data-state", "waiting")
    before = page.locator(".progress-text").inner_text()
    network.forward()
    expect(link).to_have_attribute("data-state", "live")
    expect(page.locator(".progress-text")).not_to_have_text(before)
    api.post(f"/jobs/{job['id']}/cancel")
    expect(state(page)).to_have_text("cancelled")
    expect(link).to_have_attribute("data-state", "closed")


def test_a_job_that_somebody_deletes_while_it_is_shown(
    visit: "Visit", network: Proxy, api: httpx.Client
) -> None:
    """The page does not go on to say that it is trained."""
    visit.offline_expected = True
    job = api.post("/jobs", json=spec("deleted", LONG)).json()
    for what in ("", "/events", *(f"/charts/{name}" for name in ("losses", "accuracy", "penalty"))):
        visit.expect_refusal(404, f"/jobs/{job['id']}{what}")
    visit.url = f"http://127.0.0.1:{network.port}"
    page = visit.open(f"/ui/jobs/{job['id']}")
    link = page.locator(".link-state")
    expect(link).to_have_attribute("data-state", "live")
    network.refuse()
    expect(link).to_have_attribute("data-state", "waiting")
    api.post(f"/jobs/{job['id']}/cancel")
    api.get(f"/jobs/{job['id']}/events", headers={"Accept": "text/event-stream"})  # to its end
    api.delete(f"/jobs/{job['id']}").raise_for_status()
    network.forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("The job was deleted")


def test_where_no_stream_comes_the_job_is_asked_for(
    visit: "Visit", context: BrowserContext, api: httpx.Client
) -> None:
    """A proxy that holds streams back, or too many of them: the page goes on all the same."""
    context.route("**/events*", lambda route: route.fulfill(status=503, body="{}"))
    visit.expect_refusal(503, "/events")
    job = api.post("/jobs", json=spec("no stream", LONG)).json()
    page = visit.open(f"/ui/jobs/{job['id']}")
    expect(page.locator(".link-state")).to_have_attribute("data-state", "polling")
    api.post(f"/jobs/{job['id']}/cancel")
    expect(state(page)).to_have_text("cancelled")


def test_names_and_tags_are_text_whatever_they_hold(visit: "Visit", api: httpx.Client) -> None:
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


def test_the_list_is_filtered_and_paged(visit: "Visit", api: httpx.Client) -> None:
    for number in range(26):
        answer = api.post("/jobs", json=spec(f"waits {number}", tags=["paged"]))
        api.post(f"/jobs/{answer.json()['id']}/cancel")
    page = visit.open("/?tag=paged")
    names = page.locator(".job-name")
    expect(names).to_have_count(25)
    expect(names.first).to_have_text("waits 25")
    page.get_by_role("link", name="Older jobs").click()
    expect(names).to_have_text(["waits 0"])
    page.get_by_role("link", name="Newest jobs").click()
    expect(names.first).to_have_text("waits 25")
    page.get_by_role("checkbox", name="running").check()
    expect(page.locator(".note")).to_contain_text("No job fits")
    expect(page).to_have_url(re.compile(r"status=running&tag=paged$"))
    page.reload()
    expect(page.get_by_role("checkbox", name="running")).to_be_checked()
    page.get_by_role("checkbox", name="running").uncheck()
    expect(names).to_have_count(25)


def test_jobs_side_by_side(visit: "Visit", api: httpx.Client) -> None:
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
    page.get_by_label("Compare the").select_option("accuracy")
    expect(page.locator(".chart svg")).to_contain_text("Accuracy compared")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="comparison.svg, save").click()
    assert "<svg" in downloading.value.path().read_text()
    differences = page.locator("section[aria-labelledby=differences-title]")
    expect(differences).to_contain_text("rate")
    expect(differences).to_contain_text("0.1")
    expect(differences).to_contain_text("0.5")
    measured = page.locator("section[aria-labelledby=measured-title] tbody tr")
    best = measured.filter(has=page.locator(".best")).locator("th").all_inner_texts()
    assert "val_data_loss" in best
    assert not {"loss", "data_loss", "train_data_loss", "accuracy", "val_loss"} & {*best}


def test_a_layer_between_two_is_one_line_side_by_side(visit: "Visit", api: httpx.Client) -> None:
    posted = spec("one", epochs=2, regularization={})
    first, last = posted["model"]["layers"]
    between = {"model": {"layers": [first, {"type": "Dropout", "rate": 0.2}, last]}}
    answers = [api.post("/jobs", json=each).json() for each in (posted, posted | between)]
    for answer in answers:
        api.post(f"/jobs/{answer['id']}/cancel")
    page = visit.open(f"/ui/compare?jobs={','.join(answer['id'] for answer in answers)}")
    rows = page.locator("section[aria-labelledby=differences-title] tbody tr")
    expect(rows).to_have_text(["Dropout after densenoneDropout(rate=0.2)"])


def test_a_job_that_is_not_there(visit: "Visit") -> None:
    visit.expect_refusal(404, "/jobs/job_0")
    page = visit.open("/ui/jobs/job_0")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such job")
    page.get_by_role("link", name="All jobs").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")


def test_its_log(visit: "Visit", job: dict[str, Any]) -> None:
    page = visit.open(f"/ui/jobs/{job['id']}")
    page.get_by_text("Log", exact=True).click()
    lines = page.locator(".log li")
    expect(lines.first).to_contain_text("transition")
    before = lines.count()
    page.get_by_label("From level").select_option("warning")
    expect(lines).not_to_have_count(before)
