"""Submit a spec, check it, or start from a preset."""

from typing import Annotated

import typer

from ridgeline.cli.completion import complete_presets
from ridgeline.cli.options import DEFAULT_URL, AsJson, Settings, SpecFile, Timeout, Url
from ridgeline.cli.session import open_session

Key = Annotated[
    str | None,
    typer.Option(
        "--key", help="Idempotency-Key: the same key and spec create one job, however often sent."
    ),
]
presets = typer.Typer(help="Networks to start from: list them, show one as a spec.")


def submit(
    context: typer.Context,
    file: SpecFile,
    settings: Settings = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Watch the job; the exit code is its outcome.")
    ] = False,
    key: Key = None,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Submit a job for training.

    With --watch and --json the job is printed once it has ended.
    """
    with open_session(context, url, as_json=as_json) as session:
        spec = session.read_spec(file, settings or ())
        job = session.client.submit(spec.document, key)
        if watch:
            from ridgeline.cli.watching import watch_job

            watch_job(session, job, timeout)
        elif as_json:
            session.output.document(job)
        else:
            from ridgeline.cli.views.jobs import one_line
            from ridgeline.cli.views.specs import advice_lines

            session.output.show(one_line(job), *advice_lines(job.advice))


def validate(
    context: typer.Context,
    file: SpecFile,
    settings: Settings = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Check a spec without storing it: the resolved network, its size, and advice.

    With --json the faults of an invalid spec are printed as JSON too; its exit code is 1.
    """
    with open_session(context, url, as_json=as_json) as session:
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
        from ridgeline.cli.views.specs import validation_page

        session.output.show(*validation_page(validation))


@presets.command("list")
def list_presets(context: typer.Context, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the networks that a spec can name."""
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.specs import presets_table

        entries = session.client.presets()
        if as_json:
            session.output.document(entries)
        else:
            session.output.show(presets_table(entries))


@presets.command("show")
def show_preset(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(autocompletion=complete_presets, show_default=False, metavar="NAME")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PARAMETER=VALUE", help="Set a parameter: rate=0.4."),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a network and its parameters; with --json its spec, to pipe into `submit -`."""
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.specs import parameters_of
        from ridgeline.cli.views.specs import preset_page

        entry = session.client.preset(name, **parameters_of(settings or ()))
        if as_json:
            session.output.document(entry.spec)
        else:
            session.output.show(*preset_page(entry, settings or ()))
