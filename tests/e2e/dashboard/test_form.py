"""The form of a new job: controls and JSON stay in sync, and the service validates the spec."""

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.dashboard.conftest import set_epochs, spec, trained, wait_until_valid

if TYPE_CHECKING:
    from tests.e2e.dashboard.conftest import Visit

pytestmark = pytest.mark.servers

SPEC = "Spec (JSON)"


def spec_in(page: Page) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(page.get_by_label(SPEC).input_value())
    return value


def test_controls_update_the_spec(visit: "Visit") -> None:
    page = visit.open("/ui/new")
    wait_until_valid(page)
    page.get_by_label("L2 (λ)").fill("5")
    page.get_by_label("Penalty scaling").select_option("textbook")
    page.get_by_label("Value of n").select_option("rows")
    page.get_by_label("L1 (λ)").fill("0.01")
    page.get_by_label("L1 method").select_option("proximal")
    page.get_by_label("Dropout rate").fill("0.4")
    page.get_by_label("pooling").check()
    page.get_by_label("Max norm per unit").fill("3")
    page.get_by_label("Weight decay").fill("0.004")
    page.get_by_label("Stop early").check()
    page.get_by_label("Patience").fill("7")
    page.get_by_label("Optimizer").select_option("sgd")
    page.get_by_label("Tags").fill("one, two, one")
    page.get_by_label("SavedModel").check()
    set_epochs(page, 3)
    changed = spec_in(page)
    assert changed["regularization"] == {
        "weights": {"l2": 5, "scaling": "textbook", "n": "rows", "l1": 0.01, "l1_mode": "proximal"},
        "dropout": {"rate": 0.4, "after": ["dense", "pooling"]},
        "constraint": {"type": "MaxNorm", "max_value": 3},
    }
    assert changed["training"]["early_stopping"] == {"patience": 7, "restore_best_weights": True}
    assert changed["training"]["optimizer"] == {
        "name": "sgd",
        "learning_rate": 0.001,
        "weight_decay": 0.004,
    }
    assert (changed["training"]["epochs"], changed["tags"]) == (3, ["one", "two"])
    assert changed["outputs"] == ["keras", "saved_model"]
    wait_until_valid(page)
    expect(page.locator(".penalty-lines")).to_contain_text("λ/(2n)·Σw²")
    expect(page.locator(".remarks")).to_contain_text("weight_decay")
    for label in ("L2 (λ)", "L1 (λ)", "Dropout rate", "Max norm per unit"):
        page.get_by_label(label).fill("")
    assert "regularization" not in spec_in(page)
    expect(page.get_by_label("Penalty scaling")).to_be_hidden()


def test_pasted_spec_updates_the_controls(visit: "Visit") -> None:
    page = visit.open("/ui/new")
    posted = spec("pasted", epochs=33)
    posted["regularization"]["weights"] = {"l1": 0.02}
    page.get_by_label(SPEC).fill(json.dumps(posted))
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("33")
    expect(page.get_by_label("L1 (λ)")).to_have_value("0.02")
    expect(page.get_by_label("L2 (λ)")).to_have_value("")
    expect(page.get_by_label("Data set")).to_have_value("builtin iris")
    expect(page.get_by_label("Name", exact=True)).to_have_value("pasted")
    wait_until_valid(page)


def test_faults_are_marked_in_the_form_and_the_text(visit: "Visit") -> None:
    visit.expect_error(422, "/jobs/validate")
    visit.expect_error(422, "/jobs")
    page = visit.open("/ui/new")
    wait_until_valid(page)
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("0")
    expect(page.locator(".validity")).to_have_text("1 error in the spec")
    expect(epochs).to_have_attribute("aria-invalid", "true")
    described = str(epochs.get_attribute("aria-describedby"))
    expect(page.locator(f"#{described.rsplit(maxsplit=1)[-1]}")).to_contain_text(
        "expected an integer"
    )
    expect(page.locator(".gutter .marked")).to_have_count(1)
    page.locator(".faults").get_by_role("button", name="/training/epochs").click()
    selection = page.get_by_label(SPEC).evaluate(
        "e => e.value.slice(e.selectionStart, e.selectionEnd)"
    )
    assert selection == "0"
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".send .fault")).to_be_visible()
    epochs.fill("4")
    wait_until_valid(page)
    expect(epochs).not_to_have_attribute("aria-invalid", "true")
    text = page.get_by_label(SPEC)
    text.fill('{"a": 1,\n "b" 2}')
    expect(page.locator(".validity")).to_have_text("Not valid JSON")
    expect(page.locator(".faults")).to_contain_text("line 2")
    expect(page.locator(".gutter .marked")).to_have_text("2\n")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".send .fault")).to_contain_text("not valid JSON")


def test_long_text_is_numbered_with_few_elements(visit: "Visit") -> None:
    """One element per line took seconds at every key press."""
    visit.expect_error(422, "/jobs/validate")
    page = visit.open("/ui/new")
    wait_until_valid(page)
    lines = 27_000
    text = json.dumps(spec("long")).replace("{", "{" + "\n" * lines, 1).replace("12", "-12")
    # Set as a paste would: typing so many lines takes Chromium minutes.
    page.get_by_label(SPEC).evaluate(
        "(e, text) => { e.value = text; e.dispatchEvent(new InputEvent('input')); }", text
    )
    marked = page.locator(".gutter .marked")
    expect(marked).to_have_text(str(lines + 1))
    gutter = page.locator(".gutter")
    assert gutter.evaluate("e => e.childElementCount") == 1
    assert gutter.evaluate("e => e.textContent.split('\\n')[999]") == "1000"
    # The number is level with its line.
    height, top = (marked.evaluate(f"e => {name}") for name in ("e.offsetHeight", "e.offsetTop"))
    first = marked.evaluate("e => e.parentElement.offsetTop")
    assert abs((top - first) - lines * 1.5 * 13) < 2 * height


def test_any_json_can_be_pasted_and_edited(visit: "Visit") -> None:
    visit.expect_error(422, "/jobs/validate")
    page = visit.open("/ui/new")
    wait_until_valid(page)
    texts = ("null", "[]", '"a"', "7", "{}", '{"model": 3, "training": [], "regularization": 1}')
    for text in texts:
        page.get_by_label(SPEC).fill(text)
        expect(page.locator(".validity")).to_contain_text("error")
        page.get_by_label("L2 (λ)").fill("0.5")
        assert spec_in(page)["regularization"] == {"weights": {"l2": 0.5}}
    page.get_by_label(SPEC).fill("[" * 50_000)
    expect(page.locator(".validity")).to_have_text("Not valid JSON")


def test_preset_parameters_become_controls(visit: "Visit") -> None:
    page = visit.open("/ui/new")
    start = page.get_by_label("Start from")
    expect(start.locator("option", has_text="imdb_mlp_half")).to_have_count(1)
    start.select_option("preset imdb_mlp")
    page.get_by_label("Rate", exact=True).fill("0.45")
    assert spec_in(page)["model"] == {"preset": "imdb_mlp", "units": 16, "rate": 0.45}
    wait_until_valid(page)
    start.select_option("overfits")
    expect(page.get_by_label("Rate", exact=True)).to_have_count(0)
    assert "regularization" not in spec_in(page)


def test_report_suggestion_fills_the_form(visit: "Visit", api: httpx.Client) -> None:
    job = trained(api, "overfits", **OVERFITS)
    suggestions = api.get(f"/jobs/{job['id']}/report").json()["suggestions"]
    assert suggestions
    page = visit.open(f"/ui/jobs/{job['id']}")
    page.get_by_role("link", name="Train with this change").first.click()
    expect(page.get_by_text(suggestions[0]["message"])).to_be_visible()
    wait_until_valid(page)
    for operation in suggestions[0]["patch"]:
        value: Any = spec_in(page)
        for part in operation["path"].split("/")[1:]:
            value = value[int(part) if isinstance(value, list) else part]
        assert value == operation["value"]


OVERFITS: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "digits"},
    "split": {"validation": 0.5},
    "model": {
        "layers": [
            {"type": "Dense", "units": 256, "activation": "relu"},
            {"type": "Dense", "units": 256, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ]
    },
    "regularization": {},
    "training": {"epochs": 80, "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
}


def test_pointers_resolve_in_invalid_json(visit: "Visit") -> None:
    """Values before the syntax error still have a range."""
    page = visit.open("/ui/new")
    module = page.locator('link[href$="js/main.js"]').get_attribute("href")
    assert module is not None
    text = '{"a/b": [1, {"~c": "x\\"y"}],\n "d": {}, "e": '
    ranges = page.evaluate(
        """async ([base, text, pointers]) => {
          const { rangeOf } = await import(`${base}form/json-text.js`);
          return pointers.map((pointer) => text.slice(...rangeOf(text, pointer)));
        }""",
        [re.sub("main.js$", "", module), text, ["/a~1b/0", "/a~1b/1/~0c", "/d", "/d/x", "/a~1b/9"]],
    )
    assert ranges == ["1", '"x\\"y"', "{}", "{}", '[1, {"~c": "x\\"y"}]']
