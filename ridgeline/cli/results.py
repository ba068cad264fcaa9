"""Results of a job: its log, its files, and the spec that its report suggests."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer
from pydantic import ValidationError

from ridgeline.api.job import Artifact, Job, JobStatus
from ridgeline.api.log import LogEntry, LogLevel
from ridgeline.api.report import Report
from ridgeline.cli.errors import CommandError, ExitCode, UsageError
from ridgeline.cli.printing import size
from ridgeline.cli.session import Session
from ridgeline.cli.views.jobs import log_line
from ridgeline.spec.job_spec import JobSpec, apply_patch

ALL = "all"


def print_log(session: Session, job_id: str, level: str | None, *, whole: bool) -> None:
    """Print the lines so far; with `whole` as one JSON document."""
    entries = session.client.logs(job_id, level=_level(level))
    if whole:
        session.output.document(list(entries))
    else:
        _print_lines(session, entries)


def follow_log(session: Session, job_id: str, level: str | None, timeout: float | None) -> None:
    """Print lines until the job has ended; raises typer.Exit unless it has succeeded.

    Raises WaitTimeoutError where that takes more than `timeout` seconds.
    """
    session.following = job_id
    lines = session.client.logs(job_id, level=_level(level), follow=True, timeout=timeout)
    _print_lines(session, lines)
    if session.client.job(job_id).status is not JobStatus.SUCCEEDED:
        raise typer.Exit(ExitCode.NOT_SUCCEEDED)


def _print_lines(session: Session, entries: Iterable[LogEntry]) -> None:
    for entry in entries:
        if session.output.as_json:
            session.output.line(entry)
        else:
            session.output.show(log_line(entry))


def _level(name: str | None) -> LogLevel | None:
    return None if name is None else LogLevel(name)


def download_files(
    session: Session, job_id: str, names: Sequence[str], to: Path, *, force: bool
) -> dict[str, Path]:
    """Download the files of these names, or all, and return the path of each.

    Raises CommandError if a file would be replaced, unless with `force`.
    """
    artifacts = {artifact.name: artifact for artifact in session.client.artifacts(job_id)}
    wanted = list(dict.fromkeys(names)) or list(artifacts)
    if not wanted:
        raise CommandError(f"{job_id} has no files: it has not succeeded", ExitCode.NOT_FOUND)
    paths = _paths(to, wanted)
    # The client reports names that are not published.
    present = {name for name in wanted if name in artifacts and _is(paths[name], artifacts[name])}
    for name in wanted:
        if paths[name].exists() and name not in present and not force:
            raise CommandError(f"{paths[name]} exists and differs; pass --force, or another --to")
    for name in wanted:
        if name not in present:
            with session.output.transfer_bar(name) as on_progress:
                session.client.download(job_id, name, paths[name], on_progress)
        if not session.output.as_json:
            session.output.show(f"{paths[name]}  {size(artifacts[name].bytes)}")
    return paths


def _paths(to: Path, names: Sequence[str]) -> dict[str, Path]:
    """Where each file goes: into the folder `to`, or a single file to the path `to`."""
    if len(names) == 1 and not to.is_dir():
        return {names[0]: to}
    if not to.exists():
        to.mkdir()
    elif not to.is_dir():
        raise UsageError(f"--to: expected a folder for {len(names)} files, received {to}")
    return {name: to / name for name in names}


def _is(path: Path, artifact: Artifact) -> bool:
    """Whether the file has the artifact's content."""
    if not path.is_file() or path.stat().st_size != artifact.bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256


def improved_spec(job: Job, report: Report, names: Sequence[str]) -> JobSpec:
    """The job's resolved spec after the suggested changes of these names, applied in order.

    Raises CommandError if the report lacks one of them, or if they contradict each other.
    """
    suggested = {suggestion.id: suggestion for suggestion in report.suggestions}
    wanted = list(suggested) if ALL in names else list(dict.fromkeys(names))
    spec = job.resolved
    for name in wanted:
        if name not in suggested:
            available = ", ".join(suggested) or "nothing"
            raise CommandError(
                f"the report does not suggest {name!r}; it suggests {available}", ExitCode.NOT_FOUND
            )
        try:
            spec = apply_patch(spec, suggested[name].patch)
        except (LookupError, ValidationError) as error:
            raise CommandError(
                f"{name} cannot be applied after the changes before it; apply it alone"
            ) from error
    if not wanted:
        raise CommandError("the report suggests nothing", ExitCode.NOT_FOUND)
    return spec
