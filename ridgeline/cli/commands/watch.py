"""`ridgeline watch`: a job as it trains."""

from typing import Annotated

import typer

from ridgeline.cli.options import DEFAULT_URL, AsJson, JobArgument, Timeout, Url
from ridgeline.cli.talking import talking


def watch(
    context: typer.Context,
    job: JobArgument,
    every: Annotated[
        int | None,
        typer.Option(min=1, help="Print every so many epochs; by default about 20 rows in all."),
    ] = None,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Print each event as a line of JSON, as it comes.")
    ] = False,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Watch a job until it has ended; the exit code says how.

    With --json the job is printed once it has ended.
    """
    with talking(context, url, as_json=as_json or ndjson) as session:
        from ridgeline.cli.watching import watch_job

        found = session.client.job(session.job_id(job))
        watch_job(session, found, timeout, every=every, ndjson=ndjson)
