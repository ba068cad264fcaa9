"""What the demo concludes and suggests."""

import ast
import io
import shutil
import sys
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

from ridgeline.cli.local.showcase import CHECK_MODEL, Showcase, _program

MEASURED = {"rows": 180.0, "test_accuracy": 0.95, "test_data_loss": 0.2}


def _conclude(metrics: dict[str, float | None]) -> tuple[bool, str]:
    output = io.StringIO()
    parts: dict[str, Any] = {"servers": Mock(), "signals": Mock(), "client": Mock()}
    showcase = Showcase(**parts, console=Console(file=output, width=120))
    agrees = showcase.agrees(Mock(metrics=metrics), MEASURED)
    return agrees, output.getvalue()


def test_metrics_within_the_tolerance_agree() -> None:
    agrees, output = _conclude({"test_accuracy": 0.95 + 1e-7, "test_data_loss": 0.20001})
    assert agrees
    assert output.count("they agree") == 2


@pytest.mark.parametrize(
    "metrics",
    [
        {"test_accuracy": 0.95 + 1 / 180, "test_data_loss": 0.2},  # one more row was right
        {"test_accuracy": 0.95, "test_data_loss": 0.21},
        {"test_accuracy": 0.95, "test_data_loss": None},
        {"test_data_loss": 0.2},
    ],
)
def test_metrics_that_differ_are_reported(metrics: dict[str, float | None]) -> None:
    agrees, output = _conclude(metrics)
    assert not agrees
    assert "THEY DIFFER" in output


def test_check_imports_nothing_of_ridgeline() -> None:
    tree = ast.parse(CHECK_MODEL.read_text())
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _imports(node)}
    assert imported == {"json", "os", "sys", "keras", "numpy", "sklearn"}


@pytest.mark.parametrize(
    ("called", "on_path", "program"),
    [
        (".venv/bin/ridgeline", False, ".venv/bin/ridgeline"),
        (".venv/bin/ridgeline", True, "ridgeline"),
        ("/somewhere/ridgeline/cli/main.py", False, "ridgeline"),
    ],
)
def test_next_steps_call_the_program_as_the_user_can(
    monkeypatch: pytest.MonkeyPatch, called: str, program: str, *, on_path: bool
) -> None:
    monkeypatch.setattr(sys, "argv", [called, "demo"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if on_path else None)
    assert _program() == program


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
