"""What a job has brought: its report, its files, its log."""

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
from ridgeline.cli.talking import talking


def report(
    context: typer.Context,
    job: JobArgument,
    apply: Annotated[
        list[str] | None,
        typer.Option(
            "--apply",
            metavar="CHANGE",
            help="Print the job's spec with a suggested change (its name, or all) made: pipe it"
            " into submit.",
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show what training did: verdict, evidence, weights, what to change."""
    with talking(context, url, as_json=as_json) as session:
        job_id = session.job_id(job)
        found = session.client.report(job_id)
        if apply:
            from ridgeline.cli.suggesting import improved

            session.output.document(improved(session.client.job(job_id), found, apply))
        elif as_json:
            session.output.document(found)
        else:
            from ridgeline.cli.views.report import report_page

            session.output.show(*report_page(found, job_id))


def logs(
    context: typer.Context,
    job: JobArgument,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Go on with new lines as they come, until the job has ended; the exit code says"
            " how, as that of watch.",
        ),
    ] = False,
    level: Annotated[
        LevelName | None, typer.Option(help="Only lines that matter as much, or more.")
    ] = None,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Print one JSON object a line.")] = False,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Print what was said about a job: its states, its worker, its trainer.

    With --follow, --json prints one JSON object a line, as --ndjson.
    """
    with talking(context, url, as_json=as_json or ndjson) as session:
        from ridgeline.cli.log_printing import follow_log, print_log

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
            help="Files of the job; all, unless named.",
            autocompletion=complete_artifacts,
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", "-o", help="A folder, or the name of the one file.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there and differ.")
    ] = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Download a job's files, checked by their SHA-256; broken ones are continued."""
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.downloading import download_files

        files = download_files(session, session.job_id(job), names or (), to, force=force)
        if as_json:
            session.output.document({name: str(path) for name, path in files.items()})
