"""What went wrong, as lines on standard error and an exit code."""

from collections.abc import Iterator

from ridgeline.cli.errors import CommandError
from ridgeline.cli.exits import ExitCode
from ridgeline.cli.specs.source import SpecSource
from ridgeline.client import (
    ConflictError,
    NoSuchArtifactError,
    NotFoundError,
    ProblemError,
    RidgelineError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
    WaitTimeoutError,
)

#: The first that fits counts; what is not here is FAILED.
_CODES: tuple[tuple[type[RidgelineError], ExitCode], ...] = (
    (UnreachableError, ExitCode.UNREACHABLE),
    (UnexpectedAnswerError, ExitCode.UNREACHABLE),
    (UnavailableError, ExitCode.UNREACHABLE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (NoSuchArtifactError, ExitCode.NOT_FOUND),
    (ConflictError, ExitCode.CONFLICT),
    (WaitTimeoutError, ExitCode.TIMEOUT),
)


def exit_code(error: Exception) -> ExitCode:
    """How a command ends that `error` has ended."""
    if isinstance(error, CommandError):
        return error.code
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED


def explanation(error: Exception, spec: SpecSource | None = None) -> Iterator[str]:
    """What went wrong, line by line; a fault in the `spec` that was sent with its place there."""
    if isinstance(error, ProblemError):
        yield from _of_problem(error, spec)
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        yield f"{where}{error.strerror or error}"
    else:
        yield str(error)


def _of_problem(error: ProblemError, spec: SpecSource | None) -> Iterator[str]:
    problem = error.problem
    yield f"{problem.title}:" if problem.errors else problem.detail
    for fault in problem.errors:
        in_spec = spec is not None and (fault.pointer == "" or fault.pointer.startswith("/"))
        where = f"{spec.where(fault.pointer)}: " if spec is not None and in_spec else ""
        at = f"{fault.pointer}: " if fault.pointer else ""
        yield f"  {where}{at}{fault.detail}"
