"""Jobs: list, show, watch, change or delete them; and the workers that run them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    JobArgument,
    JobArguments,
    StatusName,
    Timeout,
    Url,
    Yes,
)
from ridgeline.cli.session import confirm, open_session

if TYPE_CHECKING:
    from ridgeline.api.job import Job
    from ridgeline.client import Client


def jobs(
    context: typer.Context,
    status: Annotated[
        list[StatusName] | None,
        typer.Option(
            metavar="STATUS", help=f"Only with this status: {', '.join(StatusName)}. Repeatable."
        ),
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")] = 20,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from datetime import UTC, datetime
    from itertools import islice

    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.api.job import JobStatus
        from ridgeline.cli.views.jobs import jobs_table

        statuses = [JobStatus(name.value) for name in status or ()]
        matching = session.client.jobs(status=statuses, tag=tag, page_size=min(limit, 100))
        listed = list(islice(matching, limit))
        if as_json:
            session.output.document(listed)
        elif listed:
            session.output.show(jobs_table(listed, datetime.now(UTC)))
        else:
            session.output.remark("No jobs match." if status or tag else "No jobs yet.")


def show(
    context: typer.Context,
    job: JobArgument,
    attempts: Annotated[
        bool,
        typer.Option(
            "--attempts", help="Show the attempts at the job: worker, duration, outcome, exit code."
        ),
    ] = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a job: status, network, penalties, metrics, files, advice."""
    from datetime import UTC, datetime

    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.jobs import attempts_table, job_page, keeps_best

        job_id = session.job_id(job)
        if attempts:
            listed = session.client.attempts(job_id)
            if as_json:
                session.output.document(listed)
            elif listed:
                session.output.show(attempts_table(listed, datetime.now(UTC)))
            else:
                session.output.remark("No attempts yet: no worker has taken the job.")
            return
        shown = session.client.job(job_id)
        if as_json:
            session.output.document(shown)
        else:
            kept = session.client.report(job_id).kept_epoch if keeps_best(shown) else None
            session.output.show(*job_page(shown, kept))


def watch(
    context: typer.Context,
    job: JobArgument,
    every: Annotated[
        int | None,
        typer.Option(min=1, help="Print every n-th epoch; by default about 20 rows in all."),
    ] = None,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Print each event as a line of JSON at once.")
    ] = False,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Watch a job until it has ended; the exit code is its outcome.

    With --json the job is printed once it has ended.
    """
    with open_session(context, url, as_json=as_json or ndjson) as session:
        from ridgeline.cli.watching import watch_job

        watched = session.client.job(session.job_id(job))
        watch_job(session, watched, timeout, every=every, ndjson=ndjson)


def cancel(
    context: typer.Context, jobs: JobArguments, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Cancel jobs: a queued one at once, a running one after its epoch."""
    _change(context, jobs, url, as_json, lambda client, job_id: client.cancel(job_id))


def pause(
    context: typer.Context, jobs: JobArguments, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Pause jobs: each keeps its checkpoint and frees its slot."""
    _change(context, jobs, url, as_json, lambda client, job_id: client.pause(job_id))


def resume(
    context: typer.Context, jobs: JobArguments, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Resume paused jobs from their checkpoints."""
    _change(context, jobs, url, as_json, lambda client, job_id: client.resume(job_id))


def _change(
    context: typer.Context,
    references: list[str],
    url: str,
    as_json: bool,
    change: "Callable[[Client, str], Job]",
) -> None:
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.jobs import one_line

        changed = []
        # Resolve all references first: an invalid one must not leave half of the jobs changed.
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
    with open_session(context, url, as_json=as_json) as session:
        ids = session.job_ids(jobs)
        confirm(f"Delete {', '.join(ids)} with all curves and files?", yes=yes)
        for job_id in ids:
            session.client.delete(job_id)
            if not as_json:
                session.output.show(f"{job_id}  deleted")
        if as_json:
            session.output.document({"deleted": ids})


def workers(context: typer.Context, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the workers and the jobs they run."""
    from datetime import UTC, datetime

    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.jobs import workers_table

        listed = session.client.workers()
        if as_json:
            session.output.document(listed)
        elif listed:
            session.output.show(workers_table(listed, datetime.now(UTC)))
        else:
            session.output.remark("No workers yet: jobs stay queued.")
