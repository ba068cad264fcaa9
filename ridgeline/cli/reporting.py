"""Error reporting of the commands that start servers."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ridgeline.cli.errors import StartError


@contextmanager
def reporting() -> Iterator[None]:
    """Print a StartError on standard error and exit with code 1."""
    try:
        yield
    except StartError as error:
        typer.echo(f"ridgeline: {error}", err=True)
        raise typer.Exit(1) from None
