"""`ridgeline up`: run the whole service on this machine until Ctrl-C."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from ridgeline.cli.errors import reporting
from ridgeline.cli.local.address import Address
from ridgeline.cli.local.embedded import WITHOUT_REDIS, Embedded
from ridgeline.cli.local.signals import StopSignals
from ridgeline.cli.options import AsJson

CHECK_S = 0.2


def up(
    host: Annotated[
        str,
        typer.Option(
            envvar="RIDGELINE_HOST",
            help="Address to listen on. There is no authentication: keep it private.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="RIDGELINE_PORT",
            min=0,
            max=65535,
            help="Port to listen on; 0 uses any free one.",
        ),
    ] = 8000,
    home: Annotated[
        Path,
        typer.Option(
            envvar="RIDGELINE_HOME",
            file_okay=False,
            help="Folder for the database, artifacts and logs.",
        ),
    ] = Path(".ridgeline"),
    as_json: AsJson = False,
) -> None:
    """Run the whole service here until Ctrl-C: Redis if installed, the API and a worker.

    With --json it prints the address once the API responds.
    """
    started = time.monotonic()
    with reporting(), StopSignals() as signals:
        # The inner reporting() prints before the servers stop, which may take a while.
        with Embedded(home, Address(host, port), os.environ, signals) as servers, reporting():
            servers.wait_for_api()
            if not signals.stopped:
                _introduce(servers, time.monotonic() - started, as_json=as_json)
            _supervise(servers, signals, started, quiet=as_json)
        typer.echo("Stopped.", err=as_json)


def _introduce(servers: Embedded, seconds: float, *, as_json: bool) -> None:
    url = servers.address.url
    if as_json:
        home = {"home": str(servers.home.path), "logs": str(servers.home.logs)}
        typer.echo(json.dumps({"url": url, **home}))
    else:
        _print_addresses(servers, url, seconds)
    if servers.without_redis:
        typer.echo(f"broker  {WITHOUT_REDIS}", err=as_json)
    if not as_json:
        typer.echo("worker  is starting; you can submit jobs already. Ctrl-C stops everything.")
    if not servers.address.loopback:
        typer.echo(
            f"WARNING: {servers.address.host} can be reached from other machines. There is no"
            " authentication: anyone there can submit and delete jobs.",
            err=True,
        )


def _print_addresses(servers: Embedded, url: str, seconds: float) -> None:
    typer.echo(f"API     {url}  (ready after {seconds:.1f} s)")
    typer.echo(f"browser {url}/  (the dashboard)")
    typer.echo(f"specs   {url}/catalog  (what a job spec may contain)")
    typer.echo(f"home    {servers.home.path}  (logs in {servers.home.logs})")


def _supervise(servers: Embedded, signals: StopSignals, started: float, *, quiet: bool) -> None:
    ready = False
    while not signals.stopped:
        if ready:
            for message in servers.revive():
                typer.echo(message, err=True)
        else:
            servers.check()
            ready = servers.worker_ready()
            if ready:
                seconds = time.monotonic() - started
                typer.echo(f"worker  takes jobs  (after {seconds:.1f} s)", err=quiet)
        time.sleep(CHECK_S)
    typer.echo(
        "Stopping; a running job is requeued. Press Ctrl-C again to stop at once.", err=quiet
    )
