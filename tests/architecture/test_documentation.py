"""What README.md and docs/ say of a spec is true of the contract, and all of it is said.

Every JSON on the pages is tried: blocks, and inline code that begins with `{"`. One with `dataset`
and `model` is a whole spec. Any other is a fragment that its keys find a place for in a base spec:
sections, fields of `regularization` or `training`, `layers`, a schedule, optimizer or loss by its
`name`, a layer by its `type`.
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


# What is on the pages ----------------------------------------------------------------------------


def snippets() -> Iterator[tuple[str, str]]:
    """Every JSON on a page, and in a request on it, with the page's name."""
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
    """A page without its blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def rows(text: str, header: str) -> list[list[str]]:
    """The cells of the tables whose first column is headed so."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(f"| {header} |")]
    assert starts, f"no table with the column {header!r}"
    found = []
    for start in starts:
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def names(*cells: str) -> list[str]:
    """What stands in code in the cells."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def training_names(argument: str) -> list[str]:
    """What the table of `training` lists for an argument."""
    return next(
        names(cells[1]) for cells in rows(SPEC, "argument") if names(cells[0]) == [argument]
    )


# Every JSON resolves -----------------------------------------------------------------------------


def candidates(fragment: dict[str, Any]) -> list[dict[str, Any]]:
    """Whole specs with the fragment in its place; a layer fits tables, images or texts."""
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
    """The fragment under the sections that its keys belong to."""
    keys, name = set(fragment), fragment.get("name")
    if name in SCHEDULES:
        return {"training": {"optimizer": {"name": "sgd", "learning_rate": fragment}}}
    for registry, field in ((OPTIMIZERS, "optimizer"), (LOSSES, "loss")):
        if name in registry:
            return {"training": {field: fragment}}
    if keys == {"layers"}:
        return {"model": fragment}
    homes = ((Regularization, "regularization"), (Training, "training"))
    for model, section in homes:
        if keys <= set(model.model_fields):
            return {section: fragment}
    assert keys <= set(JobSpec.model_fields), f"no place for {sorted(keys)}"
    return fragment


def merged(sections: dict[str, Any]) -> dict[str, Any]:
    """The base with these sections; of `training` what is not given stays."""
    training = BASE["training"] | sections.get("training", {})
    return BASE | sections | {"training": training}


@pytest.mark.parametrize(("page", "text"), list(snippets()))
def test_every_json_on_the_pages_resolves(page: str, text: str) -> None:
    refusals = []
    for candidate in candidates(json.loads(text)):
        try:
            resolve(JobSpec.model_validate_json(json.dumps(candidate)))
        except (ValidationError, SpecError) as error:
            refusals.append(str(error))
        else:
            return
    pytest.fail(f"{page}: {text}\n" + "\n".join(refusals))


def test_a_fragment_that_is_wrong_is_found() -> None:
    for fragment in ({"dropout": {"rate": 1.0}}, {"type": "Dense", "units": 3, "rate": 0.1}):
        with pytest.raises(pytest.fail.Exception):
            test_every_json_on_the_pages_resolves("page", json.dumps(fragment))


# What is listed is what there is -----------------------------------------------------------------


def same(documented: list[str], there: Any) -> None:
    """Each name once, none missing and none invented."""
    assert sorted(documented) == sorted(there)


def test_layers() -> None:
    same(names(*(cells[1] for cells in rows(SPEC, "family"))), LAYERS)


def test_data_sets() -> None:
    same(names(*(cells[1] for cells in rows(SPEC, "source"))), [*BUILTIN, *KERAS])


def test_presets_and_their_parameters() -> None:
    documented = {names(cells[0])[0]: names(cells[2]) for cells in rows(SPEC, "preset")}
    fields = {name: [*preset.model_fields] for name, preset in PRESETS.items()}
    assert documented == {name: [f for f in fields[name] if f != "preset"] for name in fields}


@pytest.mark.parametrize(
    ("argument", "there"),
    [
        ("loss", LOSSES),
        ("optimizer", OPTIMIZERS),
        ("metrics", get_args(MetricName)),
        ("precision", get_args(Precision)),
    ],
)
def test_what_training_may_name(argument: str, there: Any) -> None:
    same(training_names(argument), there)


def test_arguments_of_training() -> None:
    same(names(*(cells[0] for cells in rows(SPEC, "argument"))), Training.model_fields)


def test_outputs() -> None:
    conditions = names(*(cells[1] for cells in rows(SPEC, "artifact")))
    same([name for name in conditions if name != "outputs"], get_args(OutputName))


def test_advice() -> None:
    same(names(*(cells[0] for cells in rows(SPEC, "id"))), [rule.id for rule in RULES])


def test_schedules_and_constraints() -> None:
    schedules = [json.loads(names(cells[0])[0])["name"] for cells in rows(METHODS, "schedule")]
    same(schedules, SCHEDULES)
    kinds = [json.loads(names(cells[0])[0]) for cells in rows(METHODS, "constraint")]
    union = get_args(AnyConstraint)[0]
    same([kind["constraint"]["type"] for kind in kinds], [c.__name__ for c in get_args(union)])


def test_every_optimizer_has_a_proximal_step_but_ftrl() -> None:
    same(
        [n for cells in rows(METHODS, "optimizer") for n in names(cells[0])],
        OPTIMIZERS.keys() - {"ftrl"},
    )


def test_series() -> None:
    spec = JobSpec.model_validate_json(json.dumps(BASE))
    measured = {
        name.replace("accuracy", "<metric>") for name in monitored(spec.training, validates=True)
    }
    settings = {"learning_rate", "dropout_rate", "l2"}
    same(names(*(cells[0] for cells in rows(SPEC, "series"))), measured | settings)
    for page in PAGES:
        mentioned = re.findall(r"`((?:val|train)_[a-z_<>]+)`", page.read_text())
        assert set(mentioned) <= measured, page.name


# The diagnosis -----------------------------------------------------------------------------------


def test_verdicts_and_their_evidence() -> None:
    table = rows(METHODS, "verdict")
    same(list({name for cells in table for name in names(cells[0])}), [v.value for v in Verdict])
    evidence = identifiers(diagnosis, "_evidence")
    cited = {n for cells in table if len(cells) == 3 for n in names(cells[2])}
    assert cited <= evidence
    assert evidence <= set(names(prose(METHODS)))


def test_suggestions() -> None:
    cited = {n for cells in rows(METHODS, "verdict") if len(cells) == 2 for n in names(cells[1])}
    assert cited == identifiers(suggestions, "_suggestion", "_learning_rate")


def identifiers(module: Any, *functions: str) -> set[str]:
    """The identifiers that a module gives to its `functions`, at once or as `identifier`."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += node.args if node.func.id in functions else []
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "identifier":
            found += [each for each in ast.walk(node.value) if isinstance(each, ast.expr)]
    values = [str(each.value) for each in found if isinstance(each, ast.Constant)]
    return {value for value in values if re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", value)}


def test_numbers_of_the_diagnosis() -> None:
    cited = re.findall(r"([\d.]+)(%?) \(`([A-Z_]+)`\)", METHODS)
    for number, percent, name in cited:
        assert float(number) / (100 if percent else 1) == getattr(diagnosis, name), name
    constants = {name for name in vars(diagnosis) if name.isupper() and name[0] != "_"}
    same([name for *_, name in cited], constants - {"CROSSENTROPIES"})


def test_weight_report() -> None:
    fields = set(WeightReport.model_fields) - {"layer", "name", "shape", "size"}
    documented = {
        name for cells in rows(METHODS, "of each trained weight") for name in names(cells[0])
    }
    assert documented == fields


def test_links_into_a_page_find_their_heading() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([\w./]*)#([\w-]+)\)", page.read_text()):
            text = (page.parent / target).read_text() if target else page.read_text()
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]
            assert anchor in slugs, f"{page.name}: {target}#{anchor}"


def test_rules_that_refuse_exist() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "ridgeline").rglob("*.py"))
    known = set(re.findall(r'rule="([a-z-]+)"', sources))
    for page in PAGES:
        assert set(re.findall(r"rule\s+`([a-z-]+)`", page.read_text())) <= known, page.name
