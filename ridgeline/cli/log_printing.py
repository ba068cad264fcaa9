"""Prints a job's log: as it is, or as it grows."""

from collections.abc import Iterable

import typer

from ridgeline.api.job import JobStatus
from ridgeline.api.log import LogEntry, LogLevel
from ridgeline.cli.exits import ExitCode
from ridgeline.cli.session import Session
from ridgeline.cli.views.logs import log_line


def print_log(session: Session, job_id: str, level: str | None, *, whole: bool) -> None:
    """Print the lines there are, with `whole` as one JSON document."""
    entries = session.client.logs(job_id, level=_level(level))
    if whole:
        session.output.document(list(entries))
    else:
        _print(session, entries)


def follow_log(session: Session, job_id: str, level: str | None, timeout: float | None) -> None:
    """Print lines until the job has ended; raises typer.Exit unless it has succeeded.

    Raises WaitTimeoutError where that takes more than `timeout` seconds.
    """
    session.following = job_id
    _print(session, session.client.logs(job_id, level=_level(level), follow=True, timeout=timeout))
    if session.client.job(job_id).status is not JobStatus.SUCCEEDED:
        raise typer.Exit(ExitCode.NOT_SUCCEEDED)


def _print(session: Session, entries: Iterable[LogEntry]) -> None:
    for entry in entries:
        if session.output.as_json:
            session.output.line(entry)
        else:
            session.output.show(log_line(entry))


def _level(name: str | None) -> LogLevel | None:
    return None if name is None else LogLevel(name)
