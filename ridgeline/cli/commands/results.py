"""Results of a job: its report, its log, its files."""

from pathlib import Path
from typing import Annotated

import typer

from ridgeline.cli.completion import complete_artifacts
from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    JobArgument,
    LevelName,
    Timeout,
    Url,
)
from ridgeline.cli.session import open_session


def report(
    context: typer.Context,
    job: JobArgument,
    apply: Annotated[
        list[str] | None,
        typer.Option(
            "--apply",
            metavar="CHANGE",
            help="Print the job's spec with a suggested change (its name, or all) applied, to pipe"
            " into `submit -`.",
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the report: verdict, evidence, weights, suggested changes."""
    with open_session(context, url, as_json=as_json) as session:
        job_id = session.job_id(job)
        diagnosis = session.client.report(job_id)
        if apply:
            from ridgeline.cli.results import improved_spec

            session.output.document(improved_spec(session.client.job(job_id), diagnosis, apply))
        elif as_json:
            session.output.document(diagnosis)
        else:
            from ridgeline.cli.views.report import report_page

            session.output.show(*report_page(diagnosis, job_id))


def logs(
    context: typer.Context,
    job: JobArgument,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Continue with new lines until the job has ended; the exit code is its outcome.",
        ),
    ] = False,
    level: Annotated[
        LevelName | None, typer.Option(help="Only lines of this level or above.")
    ] = None,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Print one JSON object per line.")
    ] = False,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Print a job's log: its status changes, its worker, its trainer.

    With --follow, --json prints one JSON object per line, like --ndjson.
    """
    with open_session(context, url, as_json=as_json or ndjson) as session:
        from ridgeline.cli.results import follow_log, print_log

        job_id = session.job_id(job)
        if follow:
            follow_log(session, job_id, level, timeout)
        else:
            print_log(session, job_id, level, whole=as_json)


def download(
    context: typer.Context,
    job: JobArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Names of files; by default all.",
            autocompletion=complete_artifacts,
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", "-o", help="A folder, or the path of a single file.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing files that differ.")
    ] = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Download a job's files; interrupted downloads are resumed, and SHA-256 is checked."""
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.results import download_files

        files = download_files(session, session.job_id(job), names or (), to, force=force)
        if as_json:
            session.output.document({name: str(path) for name, path in files.items()})
