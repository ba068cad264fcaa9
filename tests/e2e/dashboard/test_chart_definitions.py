"""Every chart renders with the vendored Vega under a policy that forbids eval."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Route

from ridgeline.charts import CHARTS, chart, comparison_chart
from service.dashboard.routes import CONTENT_SECURITY_POLICY
from tests.unit.charts.samples import CASES, REPORT, run

VENDOR = Path(__file__).parents[3] / "service" / "dashboard" / "vendor"
BASE_URL = "http://charts.test/"
DRAW = """async (definition) => {
  await import("/vega.min.js");
  await import("/vega-lite.min.js");
  const { expressionInterpreter } = await import("/vega-interpreter.js");
  const warnings = [];
  const logger = {
    level() { return this; }, info() { return this; }, debug() { return this; },
    warn(...words) { warnings.push(words.join(" ")); return this; },
    error(...words) { warnings.push(words.join(" ")); return this; },
  };
  const compiled = vegaLite.compile(definition, { logger }).spec;
  const runtime = vega.parse(compiled, null, { ast: true });
  const view = new vega.View(runtime, { expr: expressionInterpreter, renderer: "svg", logger });
  const container = document.createElement("div");
  document.body.replaceChildren(container);
  await view.initialize(container).runAsync();
  globalThis.view = view;
  const legends = container.querySelectorAll(".role-legend-title").length;
  return { warnings, legends, marks: container.querySelectorAll("svg path, svg text").length };
}"""


@pytest.fixture
def console() -> Iterator[list[str]]:
    """Console messages and errors; a test that expects some clears the list."""
    messages: list[str] = []
    yield messages
    assert messages == []


@pytest.fixture
def page(browser: Browser, console: list[str]) -> Iterator[Page]:
    page = browser.new_page()
    page.route("**/*", _serve)
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.goto(BASE_URL)
    yield page
    page.close()


def test_every_chart_renders_without_warnings(page: Page) -> None:
    for case in ("no epoch", "one epoch", "diverged", "forty layers", "a spike", "zeros"):
        for name in CHARTS:
            drawn = page.evaluate(DRAW, chart(name, CASES[case], REPORT, width=480, height=320))
            assert drawn["warnings"] == []
            assert drawn["marks"] > 0
    drawn = page.evaluate(DRAW, comparison_chart({"a": run(9), "b": run(5)}))
    assert drawn["warnings"] == []


def test_policy_blocks_compiled_expressions(page: Page, console: list[str]) -> None:
    compiled = DRAW.replace("null, { ast: true }", "null, {}").replace(
        "expr: expressionInterpreter, ", ""
    )
    with pytest.raises(Error, match="unsafe-eval"):
        page.evaluate(compiled, chart("losses", run(9)))
    assert console
    console.clear()


def test_color_and_dash_share_one_legend(page: Page) -> None:
    """Color and dash are two channels; not every Vega-Lite version merges their legends."""
    assert page.evaluate(DRAW, chart("losses", run(9)))["legends"] == 2
    assert page.evaluate(DRAW, comparison_chart({"a": run(9), "b": run(5)}))["legends"] == 1


def test_pointer_selects_the_nearest_epoch(page: Page) -> None:
    page.evaluate(DRAW, chart("losses", run(9)))
    box = page.locator("svg").bounding_box()
    assert box is not None
    for step in (0, 8):
        page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + 150)
    page.wait_for_function("(view.signal('losses_at').epoch ?? [])[0] === 5")


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix(BASE_URL)
    if name:
        path = VENDOR / name
        route.fulfill(path=path) if path.is_file() else route.fulfill(status=204)
        return
    policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    route.fulfill(
        body="<!doctype html><title>Charts</title>", content_type="text/html", headers=policy
    )
