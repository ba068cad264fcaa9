"""Every failpoint of the code is registered, documented, and killed at by the suite."""

import ast
from collections import Counter
from pathlib import Path

from ridgeline.failpoints import FAILPOINTS
from tests.integration.failpoints.scenarios import SCENARIOS


def test_the_registry_is_what_the_code_passes(sources: list[Path]) -> None:
    assert set(Counter(names(sources))) == set(FAILPOINTS)


def test_a_name_is_one_place(sources: list[Path]) -> None:
    assert [name for name, places in Counter(names(sources)).items() if places > 1] == []


def test_every_failpoint_says_what_has_happened() -> None:
    lines = list(FAILPOINTS.values())
    assert len(set(lines)) == len(lines)
    assert all(line.strip() == line != "" and "\n" not in line for line in lines)


def test_no_failpoint_without_a_scenario() -> None:
    """The suite runs all scenarios, and each fails unless a process has died at its failpoint."""
    assert {name for name, scenarios in SCENARIOS.items() if scenarios} == set(FAILPOINTS)


def names(sources: list[Path]) -> list[str]:
    """The argument of every call of failpoint(), which has to be a literal."""
    calls = [
        node
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "failpoint"
    ]
    return [str(ast.literal_eval(call.args[0])) for call in calls]
