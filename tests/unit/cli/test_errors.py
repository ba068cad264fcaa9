"""Exit codes: the table, and the code of each error."""

import inspect

import pytest
from typer.testing import CliRunner

from ridgeline import client
from ridgeline.api.problems import Problem, ProblemCode
from ridgeline.cli.errors import MEANINGS, CommandError, ExitCode, UsageError, exit_code
from ridgeline.cli.main import app
from ridgeline.client import ProblemError, RidgelineError

RELEASED = {
    "OK": 0,
    "FAILED": 1,
    "USAGE": 2,
    "UNREACHABLE": 3,
    "NOT_SUCCEEDED": 4,
    "NOT_FOUND": 5,
    "CONFLICT": 6,
    "TIMEOUT": 124,
    "INTERRUPTED": 130,
    "BROKEN_PIPE": 141,
}
OF_PROBLEMS = {
    ProblemCode.NOT_FOUND: ExitCode.NOT_FOUND,
    ProblemCode.CONFLICT: ExitCode.CONFLICT,
    ProblemCode.IDEMPOTENCY_KEY_REUSED: ExitCode.CONFLICT,
    ProblemCode.UNAVAILABLE: ExitCode.UNREACHABLE,
    ProblemCode.INSUFFICIENT_STORAGE: ExitCode.UNREACHABLE,
}
OF_OTHERS = {
    client.UnreachableError: ExitCode.UNREACHABLE,
    client.UnexpectedAnswerError: ExitCode.UNREACHABLE,
    client.WaitTimeoutError: ExitCode.TIMEOUT,
    client.NoSuchArtifactError: ExitCode.NOT_FOUND,
    client.ChecksumError: ExitCode.FAILED,
    client.KerasMissingError: ExitCode.FAILED,
}


def test_released_codes_never_change() -> None:
    assert {code.name: code.value for code in ExitCode} == RELEASED


def test_help_lists_every_code() -> None:
    lines = CliRunner().invoke(app, ["--help"]).output.splitlines()
    for code in ExitCode:
        assert any(line.split() == [str(code.value), *MEANINGS[code].split()] for line in lines)


@pytest.mark.parametrize("code", ProblemCode)
def test_every_problem_has_an_exit_code(code: ProblemCode) -> None:
    problem = Problem(type="urn:x", title="t", status=400, detail="d", code=code)
    kinds = [kind for kind in error_classes() if issubclass(kind, ProblemError)]
    (kind,) = [kind for kind in kinds if getattr(kind, "code", None) is code]
    assert exit_code(kind(problem)) == OF_PROBLEMS.get(code, ExitCode.FAILED)


def test_every_other_error_has_an_exit_code() -> None:
    others = {kind for kind in error_classes() if not issubclass(kind, ProblemError)}
    assert others - {RidgelineError} == set(OF_OTHERS)
    assert {kind: exit_code(kind("why")) for kind in OF_OTHERS} == OF_OTHERS
    assert exit_code(FileNotFoundError()) == ExitCode.FAILED
    assert exit_code(UsageError("why")) == ExitCode.USAGE
    assert exit_code(CommandError("why", ExitCode.NOT_FOUND)) == ExitCode.NOT_FOUND


def error_classes() -> list[type[RidgelineError]]:
    """Every error class of the client."""
    exported = [getattr(client, name) for name in client.__all__]
    return [kind for kind in exported if inspect.isclass(kind) and issubclass(kind, RidgelineError)]
