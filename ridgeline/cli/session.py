"""A command's session with the service: its client, its output, and what references stand for.

`--help` and completion import this module, so it imports the client, which takes 0.5 s, only when a
session is opened.
"""

import ipaddress
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from ridgeline.cli.errors import CommandError, ExitCode, UsageError, exit_code, explanation
from ridgeline.cli.references import DATASET, JOB, identifier, short

if TYPE_CHECKING:
    from ridgeline.cli.printing import Output
    from ridgeline.cli.specs import SpecSource
    from ridgeline.client import Client

#: A person waits, and a script can retry by itself; a call that has started is still patient.
_TRIES = 3


class Session:
    """The client and the output of one command."""

    def __init__(self, client: "Client", output: "Output") -> None:
        self.client = client
        self.output = output
        self.spec: SpecSource | None = None
        """The spec that was sent: faults are printed with their lines in it."""
        self.following: str | None = None
        """The watched job, which keeps running when the command is interrupted."""

    def read_spec(self, file: str, settings: Sequence[str]) -> "SpecSource":
        """Read the spec to send."""
        from ridgeline.cli.specs import read_spec  # noqa: PLC0415

        self.spec = read_spec(file, settings)
        return self.spec

    def job_id(self, reference: str) -> str:
        """The id of the job that a reference stands for."""
        return identifier(reference, JOB, lambda: (job.id for job in self.client.jobs()))

    def job_ids(self, references: Sequence[str], least: int = 1) -> list[str]:
        """The distinct ids of the jobs that the references stand for.

        Raises UsageError if they are fewer than `least`.
        """
        ids = list(dict.fromkeys(self.job_id(reference) for reference in references))
        if len(ids) < least:
            raise UsageError(f"expected {least} jobs or more, received {len(ids)}")
        return ids

    def dataset_id(self, reference: str) -> str:
        """The id of the data set that a reference stands for."""
        stored = self.client.datasets
        return identifier(reference, DATASET, lambda: (dataset.id for dataset in stored()))


@contextmanager
def open_session(context: typer.Context, url: str, *, as_json: bool = False) -> Iterator[Session]:
    """Provide a session; an error in the block is printed and ends the command.

    The context's `obj`, if set, makes the client: tests pass one without a network.
    """
    from ridgeline.cli.printing import Output  # noqa: PLC0415
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
            resume = f"ridgeline watch {short(session.following)}"
            output.remark(f"Stopped watching; the job continues. To resume: {resume}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (RidgelineError, CommandError, OSError) as error:
        first, *others = explanation(error, session.spec if session else None)
        output.remark(f"ridgeline: {first}")
        for line in others:
            output.remark(line)
        raise typer.Exit(exit_code(error)) from None


def discard_stdout() -> None:
    """Redirect standard output, which the interpreter flushes on exit, from the broken pipe."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def connect(url: str) -> "Client":
    """Make a client of the service at `url`; a local one is reached without a proxy.

    Raises UsageError if `url` is not an address.
    """
    import httpx  # noqa: PLC0415

    from ridgeline.client import Client, Retries  # noqa: PLC0415

    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        host, _ = parts.hostname, parts.port
        httpx.URL(whole)
    except (ValueError, httpx.InvalidURL) as error:
        raise UsageError(f"--url: expected an address, received {url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f"--url: expected http://HOST:PORT or https://HOST, received {url!r}")
    transport = httpx.HTTPTransport() if _is_local(host) else None
    return Client(whole, transport=transport, retries=Retries(tries=_TRIES))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def confirm(question: str, *, yes: bool) -> None:
    """Ask the user; raises CommandError if the reply is no, UsageError without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("cannot prompt without a terminal; pass --yes")
    if not typer.confirm(question, err=True):
        raise CommandError("nothing was changed")
