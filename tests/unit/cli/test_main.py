"""The command as a whole."""

import os
import subprocess
import sys
from enum import StrEnum
from typing import get_args

import pytest
from typer.testing import CliRunner

from ridgeline.api.curves import ChartName
from ridgeline.api.job import JobStatus
from ridgeline.api.log import LogLevel
from ridgeline.cli import options
from ridgeline.cli.errors import ExitCode
from ridgeline.cli.main import app
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.version import VERSION

COMMANDS = (
    *("submit", "validate", "jobs", "show", "watch", "cancel", "pause", "resume", "delete"),
    *("logs", "curves", "report", "download", "compare", "datasets", "presets"),
    *("up", "demo", "workers", "adopt"),
)


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"│ {command} " in result.output


@pytest.mark.parametrize("command", [*COMMANDS, "datasets upload", "presets show"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert CliRunner().invoke(app, [*command.split(), "-h"]).output == result.output
    if command not in {"up", "demo", "adopt", "datasets", "presets"}:
        assert "--json" in result.output
        assert "RIDGELINE_URL" in result.output


def test_help_does_not_import_the_client() -> None:
    """Start-up time of `ridgeline --help` and completion is the time of their imports."""
    heavy = ("httpx", "pydantic", "plotext", "urllib.request", "fastapi", "celery", "tensorflow")
    code = (
        "import sys, ridgeline.cli.main;"
        f"print(*(name for name in {heavy} if name in sys.modules), end='')"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("option", ["--help", "-h", "--version", "jobs --help"])
def test_closed_pipe_ends_the_command_quietly(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "ridgeline.cli.main", *option.split()]
    try:
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (ExitCode.BROKEN_PIPE, b"")


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"ridgeline {VERSION}\n")


@pytest.mark.parametrize(
    ("own", "contract"),
    [
        ([status.value for status in options.StatusName], JobStatus),
        (get_args(options.LevelName), LogLevel),
        (get_args(options.FormatName), DatasetFormat),
        (get_args(options.ChartName), get_args(ChartName)),
    ],
)
def test_option_values_are_those_of_the_api(
    own: list[str], contract: type[StrEnum] | tuple[str]
) -> None:
    assert list(own) == [str(word) for word in contract]
