"""The block in which a command talks to the service; it imports nothing heavy by itself."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ridgeline.cli.exits import ExitCode
from ridgeline.cli.figures import short

if TYPE_CHECKING:
    from ridgeline.cli.session import Session


@contextmanager
def talking(context: typer.Context, url: str, *, as_json: bool = False) -> Iterator["Session"]:
    """Give the block a session; what goes wrong in it is said, and ends the command.

    The context's `obj`, where there is one, makes the client: tests give one without a network.
    """
    # Here, for --help and completion are quick without the client: its contract takes 0.5 s.
    from ridgeline.cli.errors import CommandError  # noqa: PLC0415
    from ridgeline.cli.failures import exit_code, explanation  # noqa: PLC0415
    from ridgeline.cli.printing import Output  # noqa: PLC0415
    from ridgeline.cli.session import Session, connect  # noqa: PLC0415
    from ridgeline.client import RidgelineError  # noqa: PLC0415

    output = Output(as_json=as_json)
    session = None
    try:
        with (context.obj or connect)(url) as client:
            session = Session(client, output)
            yield session
            sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except KeyboardInterrupt:
        if session and session.following:
            output.remark(f"Left. The job goes on: ridgeline watch {short(session.following)}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (RidgelineError, CommandError, OSError) as error:
        first, *others = explanation(error, session.spec if session else None)
        output.remark(f"ridgeline: {first}")
        for line in others:
            output.remark(line)
        raise typer.Exit(exit_code(error)) from None


def discard_stdout() -> None:
    """Redirect standard output, which the interpreter flushes on exit, from the broken pipe."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
