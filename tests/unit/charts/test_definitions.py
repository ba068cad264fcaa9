"""Charts of every kind of curve are valid Vega-Lite, self-contained and deterministic."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import jsonschema
import pytest

from ridgeline.charts import CHARTS, THEMES, chart, comparison_chart
from tests.unit.charts.samples import CASES, REPORT, report, run, weight

SCHEMA = json.loads(
    next(Path(alt.__file__).parent.rglob("vega-lite-schema.json")).read_text("utf-8")
)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
SAFE = re.compile(r"[\w\s.,'()<>=!&|?:~-]+")
"""The characters an expression may use: no brackets, so no property access."""


@pytest.mark.parametrize("case", CASES)
def test_every_chart_is_valid_vega_lite(case: str) -> None:
    of_curves = [name for name in CHARTS if name != "weights"]
    for name in CHARTS if case == "three epochs" else of_curves:
        spec = chart(name, CASES[case], REPORT, theme="dark" if len(case) % 2 else "light")
        _validate(spec)
        assert spec["description"].startswith(spec["title"]["text"])
        assert len(spec["description"]) > len(spec["title"]["text"]) + 5


def test_every_comparison_is_valid_vega_lite() -> None:
    for count in (1, 20):
        jobs = {f"job {n}": list(CASES.values())[n % len(CASES)] for n in range(count)}
        for measure in ("loss", "auc"):
            spec = comparison_chart(jobs, measure)
            _validate(spec)


@pytest.mark.parametrize("theme", THEMES)
def test_charts_fetch_nothing_and_call_no_code(theme: Any) -> None:
    for spec in _all(theme):
        texts = list(_texts(spec))
        addresses = [text for _, text in texts if "://" in text]
        assert addresses == ["https://vega.github.io/schema/vega-lite/v6.json"]
        assert not any(key in ("url", "href", "expr", "signal") for key, _ in texts)
        expressions = [text for key, text in texts if key == "labelExpr"]
        assert all(SAFE.fullmatch(text) for text in expressions)


def test_the_same_input_gives_the_same_bytes() -> None:
    for name in CHARTS:
        first, second = (json.dumps(chart(name, run(50), REPORT, heading="x")) for _ in range(2))
        assert first == second


def test_changing_a_chart_does_not_change_the_next() -> None:
    spec = chart("losses", run(5))
    spec["config"]["font"] = "Comic Sans"
    spec["vconcat"][0]["layer"].clear()
    fresh = chart("losses", run(5))
    assert fresh["config"]["font"] != "Comic Sans"
    assert fresh["vconcat"][0]["layer"]


def test_static_chart_has_no_interaction() -> None:
    jobs = {"a": run(9), "b": run(9)}
    for interactive, expected in ((True, True), (False, False)):
        for spec in (
            chart("losses", run(9), interactive=interactive),
            comparison_chart(jobs, interactive=interactive),
        ):
            assert ('"params"' in json.dumps(spec)) is expected


def test_layer_names_are_data_and_not_field_paths() -> None:
    """Vega reads dots and brackets in a field name as a path."""
    spec = chart("penalty", CASES["long names"])
    fields = {text for key, text in _texts(spec) if key == "field"}
    assert all(re.fullmatch(r"\w+", field) for field in fields)


def test_heading_may_contain_markup() -> None:
    heading = "<name> </svg><script>alert(1)</script> <width>"
    spec = chart("losses", run(3), heading=heading)
    assert spec["title"]["text"] == f"Losses · {heading}"


def test_weights_chart_draws_the_largest_that_fit() -> None:
    many = report([weight(f"dense_{n}", size=64 + n) for n in range(40)])
    drawn = {row["weight"] for row in chart("weights", run(1), many)["datasets"]["bins"]}
    assert drawn == {f"dense_{n}/kernel" for n in range(31, 40)}
    assert "the 9 largest of 40 weights" in chart("weights", run(1), many)["title"]["subtitle"]
    broken = report([], nonfinite=["dense/kernel"])
    assert "1 weights hold NaN" in json.dumps(chart("weights", run(1), broken))


def _validate(spec: dict[str, Any]) -> None:
    """Validate against altair's schema; one row of each data set suffices."""
    read = json.loads(json.dumps(spec, allow_nan=False))
    VALIDATOR.validate(read | {"datasets": {k: v[:1] for k, v in read["datasets"].items()}})


def _all(theme: Any) -> Iterator[dict[str, Any]]:
    for case in CASES.values():
        for name in CHARTS:
            yield chart(name, case, REPORT, theme=theme)


def _texts(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _texts(value, name)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value, key)
