"""`ridgeline demo`: from the POST of a spec to a model file that plain Keras agrees about."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ridgeline.cli.local.address import Address
from ridgeline.cli.local.embedded import Embedded
from ridgeline.cli.local.signals import StopSignals
from ridgeline.cli.options import AsJson
from ridgeline.cli.reporting import reporting

_INTERRUPTED = 130


def demo(
    home: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for the database, artifacts and logs.")
    ] = Path(".ridgeline/demo"),
    as_json: AsJson = False,
) -> None:
    """Train a network on the digits here, and check the saved model with plain Keras."""
    with (
        reporting(),
        StopSignals() as signals,
        Embedded(home, Address("127.0.0.1", 0), _environment(), signals) as servers,
        reporting(),  # The inner one speaks before the servers are stopped.
    ):
        # Imported while the servers start: the other commands do without the client.
        from ridgeline.cli.local.showcase import showcase

        servers.wait_for_api()
        agreed = not signals.stopped and showcase(servers, signals, as_json=as_json)
    if signals.stopped:
        raise typer.Exit(_INTERRUPTED)
    if not agreed:
        raise typer.Exit(1)


def _environment() -> dict[str, str]:
    """The environment less any settings: a demo has no business in a database that is in use."""
    return {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
