"""Every guarantee cites a test that exists, and the table of states matches the code."""

import ast
import re
from pathlib import Path

import pytest

from ridgeline.api.job import TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
GUARANTEES = ROOT / "docs" / "guarantees.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_MOVE = re.compile(r"^\| `(\w+)` → ((?:`\w+`(?:, )?)+)", re.MULTILINE)


def test_every_guarantee_names_its_test() -> None:
    rows = re.findall(r"^\| \d+ \|.*$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 12
    for row in rows:
        assert _TEST.search(row), f"no test proves: {row}"


@pytest.mark.parametrize("page", [README, GUARANTEES], ids=lambda page: page.name)
def test_cited_tests_exist(page: Path) -> None:
    cited = _TEST.findall(page.read_text(encoding="utf-8"))
    assert cited
    for path, name in cited:
        file = ROOT / path
        assert file.is_file(), path
        assert not name or name in _defined(file), f"{path} has no {name}"


def test_table_of_states_equals_the_transitions_in_the_code() -> None:
    documented = {
        before: set(re.findall(r"\w+", after))
        for before, after in _MOVE.findall(GUARANTEES.read_text(encoding="utf-8"))
    }
    expected = {
        before.value: {after.value for after in reachable}
        for before, reachable in TRANSITIONS.items()
        if reachable
    }
    assert documented == expected


def _defined(file: Path) -> set[str]:
    """The names of the functions, methods and classes in a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
