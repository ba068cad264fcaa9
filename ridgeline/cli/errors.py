"""Errors of the command: exit codes, and what is printed when something goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ridgeline.cli.specs import SpecSource
    from ridgeline.client import ProblemError


class ExitCode(IntEnum):
    """The exit codes of every command; a released code never changes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_SUCCEEDED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    TIMEOUT = 124  # as timeout(1)
    INTERRUPTED = 130  # 128 plus the number of the signal, as below
    BROKEN_PIPE = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "success; for a watched job: it succeeded",
    ExitCode.FAILED: "rejected or failed; see standard error",
    ExitCode.USAGE: "wrong options or arguments, or a spec file that cannot be read",
    ExitCode.UNREACHABLE: "the service cannot be reached or is unavailable; try again later",
    ExitCode.NOT_SUCCEEDED: "the watched job failed or was cancelled",
    ExitCode.NOT_FOUND: "no such job, data set, preset or file",
    ExitCode.CONFLICT: "the state does not allow it: not ended yet, already ended, or in use",
    ExitCode.TIMEOUT: "--timeout expired; the job continues",
    ExitCode.INTERRUPTED: "Ctrl-C; jobs continue",
    ExitCode.BROKEN_PIPE: "the reader of the output closed the pipe",
}


def exit_codes_help() -> str:
    """The exit codes as lines, for the end of --help."""
    lines = (f"{code.value:>5}  {MEANINGS[code]}" for code in ExitCode)
    return "\n".join(("Exit codes:", *lines))


class StartError(Exception):
    """Something the command needs could not be started, or has stopped; the message says why."""


class CommandError(Exception):
    """The command cannot continue; the message says how to fix it, `code` is its exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CommandError):
    """Wrong options, arguments or files."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)


@contextmanager
def reporting() -> Iterator[None]:
    """Print a StartError on standard error and exit with code 1."""
    try:
        yield
    except StartError as error:
        typer.echo(f"ridgeline: {error}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None


def exit_code(error: Exception) -> ExitCode:
    """The exit code of a command that `error` has ended."""
    # Here, because --help and completion import this module, and the client takes 0.5 s.
    from ridgeline import client  # noqa: PLC0415

    if isinstance(error, CommandError):
        return error.code
    codes: tuple[tuple[type[client.RidgelineError], ExitCode], ...] = (
        (client.UnreachableError, ExitCode.UNREACHABLE),
        (client.UnexpectedAnswerError, ExitCode.UNREACHABLE),
        (client.UnavailableError, ExitCode.UNREACHABLE),
        (client.NotFoundError, ExitCode.NOT_FOUND),
        (client.NoSuchArtifactError, ExitCode.NOT_FOUND),
        (client.ConflictError, ExitCode.CONFLICT),
        (client.WaitTimeoutError, ExitCode.TIMEOUT),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), ExitCode.FAILED)


def explanation(error: Exception, spec: "SpecSource | None" = None) -> Iterator[str]:
    """The error as lines; a fault in the `spec` that was sent is located in its file."""
    from ridgeline.client import ProblemError  # noqa: PLC0415 - as above

    if isinstance(error, ProblemError):
        yield from _problem_lines(error, spec)
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        yield f"{where}{error.strerror or error}"
    else:
        yield str(error)


def _problem_lines(error: "ProblemError", spec: "SpecSource | None") -> Iterator[str]:
    problem = error.problem
    yield f"{problem.title}:" if problem.errors else problem.detail
    for fault in problem.errors:
        in_spec = spec is not None and (fault.pointer == "" or fault.pointer.startswith("/"))
        where = f"{spec.where(fault.pointer)}: " if spec is not None and in_spec else ""
        pointer = f"{fault.pointer}: " if fault.pointer else ""
        yield f"  {where}{pointer}{fault.detail}"
