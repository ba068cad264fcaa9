"""The `ridgeline` command: each of its commands is a function in `commands` and a name below.

`ridgeline --help` and completion import all of these modules, so they import nothing heavy.
"""

import sys
from typing import Annotated

import typer

from ridgeline.cli.commands.adopt import adopt
from ridgeline.cli.commands.curves import compare, curves
from ridgeline.cli.commands.datasets import datasets
from ridgeline.cli.commands.demo import demo
from ridgeline.cli.commands.jobs import (
    cancel,
    delete,
    jobs,
    pause,
    resume,
    show,
    watch,
    workers,
)
from ridgeline.cli.commands.results import download, logs, report
from ridgeline.cli.commands.specs import presets, submit, validate
from ridgeline.cli.commands.up import up
from ridgeline.cli.errors import ExitCode, exit_codes_help
from ridgeline.cli.options import FOLLOWING, MATERIAL, RESULTS, RUNNING, SERVERS
from ridgeline.cli.session import discard_stdout
from ridgeline.version import VERSION

app = typer.Typer(
    name="ridgeline",
    help="Train Keras models from JSON specs and report what the regularization did.",
    epilog=exit_codes_help(),
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for panel, commands in {
    RUNNING: (submit, validate),
    FOLLOWING: (jobs, show, watch, cancel, pause, resume, delete, logs),
    RESULTS: (curves, report, download, compare),
    SERVERS: (up, demo, workers, adopt),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
for name, group in {"datasets": datasets, "presets": presets}.items():
    app.add_typer(group, name=name, rich_help_panel=MATERIAL, no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ridgeline {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Accept the options that belong to no command."""


def main() -> None:
    """Run the command as a process of its own."""
    try:
        app()
    except SystemExit as end:
        # Typer turns a closed pipe, as of `ridgeline --help | head -1`, into exit code 1.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        discard_stdout()
        sys.exit(ExitCode.BROKEN_PIPE)


if __name__ == "__main__":
    main()
