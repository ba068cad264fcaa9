"""Every failpoint in the code is registered, documented and covered by a kill scenario."""

import ast
from collections import Counter
from pathlib import Path

from ridgeline.failpoints import FAILPOINTS
from tests.integration.failpoints.scenarios import SCENARIOS


def test_registry_equals_the_failpoints_in_the_code(sources: list[Path]) -> None:
    assert set(Counter(names(sources))) == set(FAILPOINTS)


def test_failpoint_name_is_used_in_one_place(sources: list[Path]) -> None:
    assert [name for name, places in Counter(names(sources)).items() if places > 1] == []


def test_every_failpoint_has_its_own_one_line_description() -> None:
    lines = list(FAILPOINTS.values())
    assert len(set(lines)) == len(lines)
    assert all(line.strip() == line != "" and "\n" not in line for line in lines)


def test_every_failpoint_has_a_scenario() -> None:
    """The suite runs all scenarios; one fails unless a process died at its failpoint."""
    assert {name for name, scenarios in SCENARIOS.items() if scenarios} == set(FAILPOINTS)


def names(sources: list[Path]) -> list[str]:
    """The argument of every failpoint() call; it must be a literal."""
    calls = [
        node
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "failpoint"
    ]
    return [str(ast.literal_eval(call.args[0])) for call in calls]
