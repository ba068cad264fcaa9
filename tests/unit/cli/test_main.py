"""The command as a whole."""

import subprocess
import sys

from typer.testing import CliRunner

from ridgeline.cli.main import app


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "up" in result.output
    assert "demo" in result.output


def test_help_does_not_wait_for_the_client() -> None:
    """What `ridgeline --help` imports decides how long it takes."""
    heavy = ("httpx", "pydantic", "fastapi", "celery", "tensorflow")
    code = (
        "import sys, ridgeline.cli.main;"
        f"print(*(name for name in {heavy} if name in sys.modules), end='')"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
