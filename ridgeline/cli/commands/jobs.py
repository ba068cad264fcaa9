"""Jobs: list them, show one, change what becomes of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    JobArgument,
    JobArguments,
    StatusName,
    Url,
    Yes,
)
from ridgeline.cli.talking import talking

if TYPE_CHECKING:
    from ridgeline.api.job import Job
    from ridgeline.client import Client


def jobs(
    context: typer.Context,
    status: Annotated[
        list[StatusName] | None,
        typer.Option(
            metavar="STATUS", help=f"Only those in this state: {', '.join(StatusName)}. Repeatable."
        ),
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    from datetime import UTC, datetime
    from itertools import islice

    with talking(context, url, as_json=as_json) as session:
        from ridgeline.api.job import JobStatus
        from ridgeline.cli.views.jobs import jobs_table

        wanted = [JobStatus(name.value) for name in status or ()]
        found = list(
            islice(session.client.jobs(status=wanted, tag=tag, page_size=min(limit, 100)), limit)
        )
        if as_json:
            session.output.document(found)
        elif found:
            session.output.show(jobs_table(found, datetime.now(UTC)))
        else:
            session.output.remark("There is no such job." if status or tag else "No job yet.")


def show(
    context: typer.Context, job: JobArgument, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Show a job: status, network, penalties, metrics, files, advice."""
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.jobs import job_page

        found = session.client.job(session.job_id(job))
        if as_json:
            session.output.document(found)
        else:
            session.output.show(*job_page(found))


def cancel(
    context: typer.Context, jobs: JobArguments, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Stop jobs: a waiting one at once, a running one after its epoch."""
    _change(context, jobs, url, as_json, lambda client, job_id: client.cancel(job_id))


def pause(
    context: typer.Context, jobs: JobArguments, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Pause jobs: each keeps a checkpoint and frees its place."""
    _change(context, jobs, url, as_json, lambda client, job_id: client.pause(job_id))


def resume(
    context: typer.Context, jobs: JobArguments, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Let paused jobs go on from their checkpoints."""
    _change(context, jobs, url, as_json, lambda client, job_id: client.resume(job_id))


def _change(
    context: typer.Context,
    references: list[str],
    url: str,
    as_json: bool,
    change: "Callable[[Client, str], Job]",
) -> None:
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.jobs import one_line

        changed = []
        # All names first: a wrong one must not leave half of the jobs changed.
        for job_id in session.job_ids(references):
            changed.append(change(session.client, job_id))
            if not as_json:
                session.output.show(one_line(changed[-1]))
        if as_json:
            session.output.document(changed if len(changed) > 1 else changed[0])


def delete(
    context: typer.Context,
    jobs: JobArguments,
    yes: Yes = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Delete jobs that have ended, with their curves and files."""
    with talking(context, url, as_json=as_json) as session:
        ids = session.job_ids(jobs)
        session.confirm(f"Delete {', '.join(ids)} with all curves and files?", yes=yes)
        for job_id in ids:
            session.client.delete(job_id)
            if not as_json:
                session.output.show(f"{job_id}  deleted")
        if as_json:
            session.output.document({"deleted": ids})
