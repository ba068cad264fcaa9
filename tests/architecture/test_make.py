"""The Makefile installs once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_second_run_installs_nothing(root: Path, tmp_path: Path) -> None:
    """Make's own plan for a finished installation holds the demo and nothing before it."""
    plan = _plan(root, tmp_path, ".ready", ".locked")
    assert plan == [".venv/bin/ridgeline demo"]


def test_a_new_lock_file_installs_again(root: Path, tmp_path: Path) -> None:
    plan = "\n".join(_plan(root, tmp_path, ".ready"))
    assert "requirements/dev.txt" in plan
    assert "--require-hashes" in plan


def _plan(root: Path, folder: Path, *stamps: str) -> list[str]:
    """What `make demo` would run where .venv holds these stamps, newer than everything else."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "requirements", folder / "requirements")
    (folder / ".venv").mkdir()
    latest = max(path.stat().st_mtime for path in folder.rglob("*")) + 10
    for stamp in stamps:
        (folder / ".venv" / stamp).touch()
        os.utime(folder / ".venv" / stamp, (latest, latest))
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    planned = subprocess.run(
        [make, "--dry-run", "demo", f"PYTHON={sys.executable}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.strip() for line in planned.stdout.splitlines() if line.strip()]
