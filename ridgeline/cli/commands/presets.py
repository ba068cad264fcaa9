"""`ridgeline presets`: networks to start from."""

from typing import Annotated

import typer

from ridgeline.cli.completion import complete_presets
from ridgeline.cli.options import DEFAULT_URL, AsJson, Url
from ridgeline.cli.talking import talking

presets = typer.Typer(help="Networks to start from: list them, show one as a spec.")


@presets.command("list")
def list_presets(context: typer.Context, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the networks that a spec can name."""
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.views.presets import presets_table

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
        typer.Option("--set", metavar="PARAMETER=VALUE", help="Another value: rate=0.4."),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show a network and its parameters. With --json its spec, to pipe into `submit -`."""
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.specs.overrides import parameters_of
        from ridgeline.cli.views.presets import preset_page

        entry = session.client.preset(name, **parameters_of(settings or ()))
        if as_json:
            session.output.document(entry.spec)
        else:
            session.output.show(*preset_page(entry, settings or ()))
