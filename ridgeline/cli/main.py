"""The `ridgeline` command. A command is a function in one of the modules here, and one line below.

`ridgeline --help` and completion import every one of these modules, so they import nothing heavy.
"""

from typing import Annotated

import typer

from ridgeline.cli.commands.adopt import adopt
from ridgeline.cli.commands.compare import compare
from ridgeline.cli.commands.curves import curves
from ridgeline.cli.commands.datasets import datasets
from ridgeline.cli.commands.demo import demo
from ridgeline.cli.commands.jobs import cancel, delete, jobs, pause, resume, show
from ridgeline.cli.commands.presets import presets
from ridgeline.cli.commands.results import download, logs, report
from ridgeline.cli.commands.submit import submit, validate
from ridgeline.cli.commands.up import up
from ridgeline.cli.commands.watch import watch
from ridgeline.cli.commands.workers import workers
from ridgeline.cli.exits import exit_codes_help
from ridgeline.cli.options import FOLLOWING, MATERIAL, RESULTS, RUNNING, SERVERS
from ridgeline.spec import descriptions
from ridgeline.version import VERSION

app = typer.Typer(
    name="ridgeline",
    help="Trains Keras models from JSON and says what the regularization did.",
    epilog=exit_codes_help(),
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
            "--version", callback=_print_version, is_eager=True, help="Say which release this is."
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


def main() -> None:
    """Run the command as a process of its own."""
    descriptions.wanted = False
    app()


if __name__ == "__main__":
    main()
