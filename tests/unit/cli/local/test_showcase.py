"""What the demo concludes."""

import ast
import io
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from ridgeline.cli.local.showcase import CHECK_MODEL, Showcase

MEASURED = {"rows": 180.0, "test_accuracy": 0.95, "test_data_loss": 0.2}


def _conclude(metrics: dict[str, float | None]) -> tuple[bool, str]:
    output = io.StringIO()
    parts: dict[str, Any] = {"servers": Mock(), "signals": Mock(), "client": Mock()}
    showcase = Showcase(**parts, console=Console(file=output, width=120))
    agrees = showcase.agrees(Mock(metrics=metrics), MEASURED)
    return agrees, output.getvalue()


def test_equal_measurements_agree() -> None:
    agrees, said = _conclude({"test_accuracy": 0.95 + 1e-7, "test_data_loss": 0.20001})
    assert agrees
    assert said.count("they agree") == 2


@pytest.mark.parametrize(
    "metrics",
    [
        {"test_accuracy": 0.95 + 1 / 180, "test_data_loss": 0.2},  # one row more was right
        {"test_accuracy": 0.95, "test_data_loss": 0.21},
        {"test_accuracy": 0.95, "test_data_loss": None},
        {"test_data_loss": 0.2},
    ],
)
def test_a_difference_is_said(metrics: dict[str, float | None]) -> None:
    agrees, said = _conclude(metrics)
    assert not agrees
    assert "THEY DIFFER" in said


def test_the_check_has_nothing_of_ridgeline() -> None:
    tree = ast.parse(CHECK_MODEL.read_text())
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _imports(node)}
    assert imported == {"json", "os", "sys", "keras", "numpy", "sklearn"}


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
