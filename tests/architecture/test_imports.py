"""Imports point one way, and TensorFlow stays where it belongs."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAVY = ("keras", "tensorflow")


def test_import_contracts_hold(root: Path) -> None:
    # In its own process, because pytest turns warnings into errors.
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache", "--no-logo"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("ridgeline", ("celery", "fastapi", "sqlalchemy", "tensorflow", "keras")),
        ("ridgeline.spec.job_spec", ("celery", "fastapi", "sqlalchemy", "tensorflow", "keras")),
        ("ridgeline.client", ("celery", "fastapi", "sqlalchemy", "tensorflow", "keras")),
        ("ridgeline.cli.main", ("celery", "fastapi", "sqlalchemy", "tensorflow", "keras")),
        ("service.main", (*HEAVY, "worker", "PIL", "altair", "numpy", "pyarrow", "vl_convert")),
        # Imported only when there is something to migrate.
        ("service.__main__", ("alembic", "mako")),
        ("worker.program", ("alembic", "mako", "mlflow")),
        ("worker.broker.app", (*HEAVY, "service")),
        ("worker.supervision.supervisor", (*HEAVY, "service")),
    ],
)
def test_importing_a_module_does_not_load_heavy_packages(
    root: Path, module: str, absent: tuple[str, ...]
) -> None:
    """The contracts of the linter, checked in a running interpreter."""
    program = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_only_the_engine_imports_tensorflow(root: Path, sources: list[Path]) -> None:
    """Imports inside functions count too.

    The demo's check of a saved model is plain Keras; it is run by its path and never imported.
    """
    engine = root / "worker" / "engine"
    plain_keras = root / "ridgeline" / "cli" / "local" / "scripts" / "check_model.py"
    offenders = [
        f"{path.relative_to(root)}: {name}"
        for path in sources
        if not path.is_relative_to(engine) and path != plain_keras
        for name in imported_names(path)
        if name.partition(".")[0] in HEAVY
    ]
    assert offenders == []


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def bare_environment() -> dict[str, str]:
    """The environment without RIDGELINE_* variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RIDGELINE_")}
