"""Accessibility: keyboard, screen reader, color schemes and small screens."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.dashboard.conftest import AUDIT, Visit, trained, wait_until_valid

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

OUTLINED = """(element) =>
  [element, element.parentElement].some((node) => getComputedStyle(node).outlineStyle !== "none")"""
NAMED_ROLES = {
    "button",
    "checkbox",
    "combobox",
    "dialog",
    "DisclosureTriangle",
    "graphics-document",
    "group",
    "image",
    "link",
    "navigation",
    "progressbar",
    "region",
    "search",
    "searchbox",
    "spinbutton",
    "textbox",
}
UNNAMED_GROUPS = {"group"}
"""Chromium maps `details` and `fieldset` to groups, which need no name."""


@pytest.fixture(scope="module")
def paths(api: httpx.Client, job: dict[str, Any]) -> list[str]:
    other = trained(api, "second shared job", regularization={})
    table = "size,kind\n" + "\n".join(f"{n},{'ab'[n % 2]}" for n in range(20))
    stored = api.post("/datasets?name=small.csv&format=csv", content=table.encode()).json()
    return [
        "/",
        "/ui/new",
        "/ui/datasets",
        f"/ui/datasets/{stored['id']}",
        f"/ui/jobs/{job['id']}",
        f"/ui/compare?jobs={job['id']},{other['id']}",
    ]


@pytest.fixture(params=["light", "dark"])
def color_scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[1280, 390])
def guest(
    browser: Browser, service_url: str, color_scheme: str, request: pytest.FixtureRequest
) -> "Iterator[Visit]":
    context = browser.new_context(
        viewport={"width": request.param, "height": 844},
        color_scheme="dark" if color_scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    visit = Visit(context.new_page(), service_url)
    yield visit
    context.close()
    visit.check()


def wait_until_loaded(page: Page) -> None:
    expect(page.locator("main p:visible", has_text="Loading")).to_have_count(0)
    for chart in page.locator("figure .canvas:visible").all():
        expect(chart.locator("svg")).to_be_visible()


def test_every_page_passes_the_audit(guest: Visit, paths: list[str], color_scheme: str) -> None:
    faults = {}
    for path in paths:
        page = guest.open(path)
        wait_until_loaded(page)
        for summary in page.locator("main summary").all():
            if summary.locator("..").get_attribute("open") is None:
                summary.click()
        wait_until_loaded(page)
        faults[path] = [*page.evaluate(AUDIT), *unnamed(page)]
        background = page.evaluate(
            "() => getComputedStyle(document.documentElement).backgroundColor"
        )
        assert (sum(map(int, background[4:-1].split(","))) < 200) == (color_scheme == "dark")
    assert {path: listed for path, listed in faults.items() if listed} == {}


def unnamed(page: Page) -> list[str]:
    """Controls and landmarks without a name in Chromium's accessibility tree."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        f"no name: {node['role']['value']} {node.get('properties')}"
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in NAMED_ROLES - UNNAMED_GROUPS
        and not node.get("name", {}).get("value", "").strip()
    ]


def test_job_can_be_submitted_and_cancelled_by_keyboard(visit: Visit) -> None:
    page = visit.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    reach(page, "link", "New job")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="New job")).to_be_focused()
    wait_until_valid(page)
    reach(page, "spinbutton", "Epochs")
    page.keyboard.press("Control+a")
    page.keyboard.type("20000")
    reach(page, "textbox", "Spec (JSON)")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Spec (JSON)")).to_be_focused()  # Tab indents in the editor
    page.keyboard.press("Control+z")
    expect(page.get_by_label("Spec (JSON)")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_focused()
    wait_until_valid(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="digits-l2-dropout")).to_be_focused()
    expect(page.locator(".progress-line .status")).to_have_text("running")
    reach(page, "button", "Cancel")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".progress-line .status")).to_have_text("cancelled")
    expect(page.locator("#polite")).to_contain_text("cancelled")


def reach(page: Page, role: Any, name: str, max_tabs: int = 60) -> None:
    """Press Tab until the control has the focus, and check that the focus is visible."""
    target = page.get_by_role(role, name=name, exact=True).and_(page.locator("main *"))
    for _ in range(max_tabs):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            assert target.evaluate(OUTLINED), f"the focus on {name} is not visible"
            return
    raise AssertionError(f"{name} not reached after {max_tabs} times Tab")


def test_theme_choice_survives_a_reload(visit: Visit, job: dict[str, Any]) -> None:
    page = visit.open(f"/ui/jobs/{job['id']}")
    chart = page.locator("figure.losses svg")
    expect(chart).to_be_visible()
    light = chart.inner_html()
    page.get_by_label("Theme").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(chart).not_to_have_js_property("innerHTML", light)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Theme").select_option("system")
    page.reload()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_navigation_moves_focus_and_updates_the_title(visit: Visit) -> None:
    page = visit.open("/")
    navigation = page.get_by_role("navigation", name="Main")
    navigation.get_by_role("link", name="Data sets").click()
    expect(page.get_by_role("heading", level=1, name="Data sets")).to_be_focused()
    expect(page).to_have_title("Data sets · Ridgeline")
    expect(navigation.get_by_role("link", name="Data sets")).to_have_attribute(
        "aria-current", "page"
    )
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Jobs")).to_be_focused()
