"""README.md and docs/ describe the spec correctly and completely.

Every JSON example is resolved: blocks, and inline code that begins with `{"`. One with `dataset`
and `model` is a whole spec. Any other is a fragment, placed in a base spec by its keys: sections,
fields of `regularization` or `training`, `layers`, a schedule, optimizer or loss by its `name`,
a layer by its `type`.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from ridgeline.api.report import Verdict, WeightReport
from ridgeline.planning.advice import RULES
from ridgeline.planning.checks.training import monitored
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import BUILTIN, KERAS
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.layers import LAYERS
from ridgeline.spec.outputs import OutputName
from ridgeline.spec.presets import PRESETS
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.policy import Regularization
from ridgeline.spec.training import LOSSES, OPTIMIZERS, SCHEDULES, MetricName, Training
from ridgeline.spec.training.fit import Precision
from worker.engine.diagnosis import suggestions
from worker.engine.diagnosis import verdict as diagnosis

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = sorted(set((ROOT / "docs").rglob("*.md")) - set((ROOT / "docs" / "reference").iterdir()))
PAGES = [ROOT / "README.md", *WRITTEN]
SPEC = (ROOT / "docs" / "spec.md").read_text()
METHODS = (ROOT / "docs" / "regularization.md").read_text()

FLATTEN = {"type": "Flatten"}
OUTPUT = {"type": "Dense", "units": 10, "activation": "softmax"}
HIDDEN = {"type": "Dense", "units": 64, "activation": "relu"}
EMBEDDING = {"type": "Embedding", "input_dim": 10_000, "output_dim": 8}
DIGITS = {"source": "builtin", "name": "digits"}
IMAGES = {"source": "keras", "name": "cifar10"}
TEXTS = {"source": "keras", "name": "imdb", "encoding": "sequence"}
BASE: dict[str, Any] = {
    "dataset": DIGITS,
    "model": {"layers": [FLATTEN, HIDDEN, OUTPUT]},
    "training": {"loss": "categorical_crossentropy", "metrics": ["accuracy"]},
}


# Examples and tables on the pages ----------------------------------------------------------------


def snippets() -> Iterator[tuple[str, str]]:
    """The page name and text of every JSON example: blocks, requests and inline code."""
    for page in PAGES:
        text = page.read_text()
        for block in re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield page.name, block
        for request in re.findall(r"-d '(\{.*?\})'", text, re.DOTALL):
            yield page.name, request
        for inline in re.findall(r"`(\{\"[^`]*\})`", prose(text)):
            if "…" not in inline:
                yield page.name, inline


def prose(text: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def rows(text: str, header: str) -> list[list[str]]:
    """The cells of the tables whose first column has this header."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(f"| {header} |")]
    assert starts, f"no table with the column {header!r}"
    cells = []
    for start in starts:
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            cells.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return cells


def names(*cells: str) -> list[str]:
    """The inline code in the cells."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def training_names(argument: str) -> list[str]:
    """The values that the table of `training` lists for an argument."""
    return next(
        names(cells[1]) for cells in rows(SPEC, "argument") if names(cells[0]) == [argument]
    )


# Every JSON example resolves ---------------------------------------------------------------------


def candidates(fragment: dict[str, Any]) -> list[dict[str, Any]]:
    """Whole specs that contain the fragment; a layer is tried on tables, images and texts."""
    keys = set(fragment)
    if keys >= {"dataset", "model"}:
        return [fragment]
    if "type" in keys:
        return [
            on_data(DIGITS, [HIDDEN, fragment, FLATTEN, OUTPUT]),
            on_data(IMAGES, [fragment, FLATTEN, OUTPUT]),
            on_data(TEXTS, [EMBEDDING, fragment, FLATTEN, OUTPUT | {"units": 2}]),
        ]
    return [merged(placed(fragment))]


def on_data(dataset: dict[str, Any], layers: list[dict[str, Any]]) -> dict[str, Any]:
    return merged({"dataset": dataset, "model": {"layers": layers}})


def placed(fragment: dict[str, Any]) -> dict[str, Any]:
    """The fragment within the sections that its keys belong to."""
    keys, name = set(fragment), fragment.get("name")
    if name in SCHEDULES:
        return {"training": {"optimizer": {"name": "sgd", "learning_rate": fragment}}}
    for registry, field in ((OPTIMIZERS, "optimizer"), (LOSSES, "loss")):
        if name in registry:
            return {"training": {field: fragment}}
    if keys == {"layers"}:
        return {"model": fragment}
    sections = ((Regularization, "regularization"), (Training, "training"))
    for model, section in sections:
        if keys <= set(model.model_fields):
            return {section: fragment}
    assert keys <= set(JobSpec.model_fields), f"no place for {sorted(keys)}"
    return fragment


def merged(sections: dict[str, Any]) -> dict[str, Any]:
    """The base spec with these sections; absent fields of `training` keep their values."""
    training = BASE["training"] | sections.get("training", {})
    return BASE | sections | {"training": training}


@pytest.mark.parametrize(("page", "text"), list(snippets()))
def test_every_json_example_resolves(page: str, text: str) -> None:
    errors = []
    for candidate in candidates(json.loads(text)):
        try:
            resolve(JobSpec.model_validate_json(json.dumps(candidate)))
        except (ValidationError, SpecError) as error:
            errors.append(str(error))
        else:
            return
    pytest.fail(f"{page}: {text}\n" + "\n".join(errors))


def test_invalid_json_example_fails() -> None:
    for fragment in ({"dropout": {"rate": 1.0}}, {"type": "Dense", "units": 3, "rate": 0.1}):
        with pytest.raises(pytest.fail.Exception):
            test_every_json_example_resolves("page", json.dumps(fragment))


# Lists on the pages are complete -----------------------------------------------------------------


def assert_same_names(documented: list[str], defined: Any) -> None:
    """Assert that every defined name is documented once, and no other."""
    assert sorted(documented) == sorted(defined)


def test_spec_page_lists_every_layer() -> None:
    assert_same_names(names(*(cells[1] for cells in rows(SPEC, "family"))), LAYERS)


def test_spec_page_lists_every_data_set() -> None:
    assert_same_names(names(*(cells[1] for cells in rows(SPEC, "source"))), [*BUILTIN, *KERAS])


def test_spec_page_lists_every_preset_with_its_parameters() -> None:
    documented = {names(cells[0])[0]: names(cells[2]) for cells in rows(SPEC, "preset")}
    fields = {name: [*preset.model_fields] for name, preset in PRESETS.items()}
    assert documented == {name: [f for f in fields[name] if f != "preset"] for name in fields}


@pytest.mark.parametrize(
    ("argument", "defined"),
    [
        ("loss", LOSSES),
        ("optimizer", OPTIMIZERS),
        ("metrics", get_args(MetricName)),
        ("precision", get_args(Precision)),
    ],
)
def test_spec_page_lists_every_allowed_value_of_an_argument(argument: str, defined: Any) -> None:
    assert_same_names(training_names(argument), defined)


def test_spec_page_lists_every_argument_of_training() -> None:
    assert_same_names(names(*(cells[0] for cells in rows(SPEC, "argument"))), Training.model_fields)


def test_spec_page_lists_every_output() -> None:
    conditions = names(*(cells[1] for cells in rows(SPEC, "artifact")))
    assert_same_names([name for name in conditions if name != "outputs"], get_args(OutputName))


def test_spec_page_lists_every_advice_rule() -> None:
    assert_same_names(names(*(cells[0] for cells in rows(SPEC, "id"))), [rule.id for rule in RULES])


def test_regularization_page_lists_every_schedule_and_constraint() -> None:
    schedules = [json.loads(names(cells[0])[0])["name"] for cells in rows(METHODS, "schedule")]
    assert_same_names(schedules, SCHEDULES)
    kinds = [json.loads(names(cells[0])[0]) for cells in rows(METHODS, "constraint")]
    union = get_args(AnyConstraint)[0]
    assert_same_names(
        [kind["constraint"]["type"] for kind in kinds], [c.__name__ for c in get_args(union)]
    )


def test_regularization_page_lists_every_optimizer_but_ftrl() -> None:
    assert_same_names(
        [n for cells in rows(METHODS, "optimizer") for n in names(cells[0])],
        OPTIMIZERS.keys() - {"ftrl"},
    )


def test_pages_name_only_recorded_series() -> None:
    spec = JobSpec.model_validate_json(json.dumps(BASE))
    measured = {
        name.replace("accuracy", "<metric>") for name in monitored(spec.training, validates=True)
    }
    settings = {"learning_rate", "dropout_rate", "l2"}
    assert_same_names(names(*(cells[0] for cells in rows(SPEC, "series"))), measured | settings)
    for page in PAGES:
        mentioned = re.findall(r"`((?:val|train)_[a-z_<>]+)`", page.read_text())
        assert set(mentioned) <= measured, page.name


# The diagnosis -----------------------------------------------------------------------------------


def test_regularization_page_lists_every_verdict_with_its_evidence() -> None:
    table = rows(METHODS, "verdict")
    assert_same_names(
        list({name for cells in table for name in names(cells[0])}), [v.value for v in Verdict]
    )
    evidence = identifiers(diagnosis, "_evidence")
    cited = {n for cells in table if len(cells) == 3 for n in names(cells[2])}
    assert cited <= evidence
    assert evidence <= set(names(prose(METHODS)))


def test_regularization_page_lists_every_suggestion() -> None:
    cited = {n for cells in rows(METHODS, "verdict") if len(cells) == 2 for n in names(cells[1])}
    assert cited == identifiers(suggestions, "_suggestion", "_learning_rate")


def identifiers(module: Any, *functions: str) -> set[str]:
    """The identifiers that a module passes to `functions` or assigns to `identifier`."""
    expressions: list[ast.expr] = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            expressions += node.args if node.func.id in functions else []
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "identifier":
            expressions += [part for part in ast.walk(node.value) if isinstance(part, ast.expr)]
    values = [str(part.value) for part in expressions if isinstance(part, ast.Constant)]
    return {value for value in values if re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", value)}


def test_cited_thresholds_equal_the_constants() -> None:
    cited = re.findall(r"([\d.]+)(%?) \(`([A-Z_]+)`\)", METHODS)
    for number, percent, name in cited:
        assert float(number) / (100 if percent else 1) == getattr(diagnosis, name), name
    constants = {name for name in vars(diagnosis) if name.isupper() and name[0] != "_"}
    assert_same_names([name for *_, name in cited], constants - {"CROSSENTROPIES"})


def test_regularization_page_lists_every_field_of_the_weight_report() -> None:
    fields = set(WeightReport.model_fields) - {"layer", "name", "shape", "size"}
    documented = {
        name for cells in rows(METHODS, "of each trained weight") for name in names(cells[0])
    }
    assert documented == fields


def test_links_to_headings_resolve() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([\w./]*)#([\w-]+)\)", page.read_text()):
            text = (page.parent / target).read_text() if target else page.read_text()
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]
            assert anchor in slugs, f"{page.name}: {target}#{anchor}"


def test_cited_rules_exist() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "ridgeline").rglob("*.py"))
    known = set(re.findall(r'rule="([a-z-]+)"', sources))
    for page in PAGES:
        assert set(re.findall(r"rule\s+`([a-z-]+)`", page.read_text())) <= known, page.name
