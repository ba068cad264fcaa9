"""Submit a spec, or have it checked."""

from typing import Annotated

import typer

from ridgeline.cli.options import DEFAULT_URL, AsJson, Settings, SpecFile, Timeout, Url
from ridgeline.cli.talking import talking

Key = Annotated[
    str | None,
    typer.Option(
        "--key", help="Idempotency-Key: the same key and spec make one job, however often sent."
    ),
]


def submit(
    context: typer.Context,
    file: SpecFile,
    settings: Settings = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Watch it train; the exit code says how it ended.")
    ] = False,
    key: Key = None,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Post a job.

    With --watch and --json the job is printed once it has ended.
    """
    with talking(context, url, as_json=as_json) as session:
        spec = session.read_spec(file, settings or ())
        job = session.client.submit(spec.document, key)
        if watch:
            from ridgeline.cli.watching import watch_job

            watch_job(session, job, timeout)
        elif as_json:
            session.output.document(job)
        else:
            from ridgeline.cli.views.jobs import advice_lines, one_line

            session.output.show(one_line(job), *advice_lines(job.advice))


def validate(
    context: typer.Context,
    file: SpecFile,
    settings: Settings = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Check a spec: what it becomes, its size, advice on it. Nothing is stored.

    With --json the faults of a spec that cannot be trained are printed as JSON too, and exit code 1
    tells them from a good one.
    """
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.client import InvalidSpecError

        spec = session.read_spec(file, settings or ())
        try:
            validation = session.client.validate(spec.document)
        except InvalidSpecError as error:
            if as_json:
                session.output.document(error.problem)
            raise
        if as_json:
            session.output.document(validation)
            return
        from ridgeline.cli.views.validation import validation_page

        session.output.show(*validation_page(validation))
