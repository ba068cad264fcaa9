"""`ridgeline demo`: from a spec to a model file whose metrics plain Keras confirms."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ridgeline.cli.errors import reporting
from ridgeline.cli.local.address import Address
from ridgeline.cli.local.embedded import Embedded
from ridgeline.cli.local.signals import StopSignals
from ridgeline.cli.options import AsJson

_INTERRUPTED = 130


def demo(
    home: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for the database, artifacts and logs.")
    ] = Path(".ridgeline/demo"),
    as_json: AsJson = False,
) -> None:
    """Train a network on the digits data set here and check the saved model with plain Keras."""
    with (
        reporting(),
        StopSignals() as signals,
        Embedded(home, Address("127.0.0.1", 0), _environment(), signals) as servers,
        reporting(),  # The inner one prints before the servers stop.
    ):
        # Imported while the servers start: the other commands do without the client.
        from ridgeline.cli.local.showcase import showcase
        # Imported while the servers start: the other commands do not need the client.

        servers.wait_for_api()
        agreed = not signals.stopped and showcase(servers, signals, as_json=as_json)
    if signals.stopped:
        raise typer.Exit(_INTERRUPTED)
    if not agreed:
        raise typer.Exit(1)


def _environment() -> dict[str, str]:
    """Return the environment without settings: a demo must not use the database of a service."""
    return {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
