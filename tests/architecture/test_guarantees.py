"""Every guarantee on the pages names a test that exists, and the table of states is the code's."""

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
def test_the_tests_that_are_named_exist(page: Path) -> None:
    named = _TEST.findall(page.read_text(encoding="utf-8"))
    assert named
    for path, name in named:
        file = ROOT / path
        assert file.is_file(), path
        assert not name or name in _defined(file), f"{path} has no {name}"


def test_the_table_of_states_is_the_codes() -> None:
    told = {
        before: set(re.findall(r"\w+", after))
        for before, after in _MOVE.findall(GUARANTEES.read_text(encoding="utf-8"))
    }
    expected = {
        before.value: {after.value for after in reachable}
        for before, reachable in TRANSITIONS.items()
        if reachable
    }
    assert told == expected


def _defined(file: Path) -> set[str]:
    """The names of the functions and classes in a file, methods too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
