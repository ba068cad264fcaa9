"""Adopt: make a database the owner of a store of files that another one has marked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ridgeline.cli.errors import CommandError
from ridgeline.cli.options import AsJson, Yes

if TYPE_CHECKING:
    from ridgeline.cli.local.adoption import Adoption, AdoptionState
    from ridgeline.cli.printing import Output

_CLIENT_ALONE = "only the client is installed here; run this where the API runs, with its settings"


def adopt(
    home: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of database and artifacts, as for `up`."),
    ] = None,
    new_identity: Annotated[
        bool,
        typer.Option("--new-identity", help="Give a copied database its own identity."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make the database the owner of its folder or bucket of files.

    Run it where the API runs, with its settings, while API and workers are stopped.
    """
    from ridgeline.cli.printing import Output

    output = Output(as_json=as_json)
    try:
        state = _adopt(_adoption(home), output, renew=new_identity, yes=yes)
    except CommandError as error:
        output.remark(f"ridgeline: {error}")
        raise typer.Exit(error.code) from None
    if as_json:
        output.document(state._asdict())


def _adoption(home: Path | None) -> "Adoption":
    try:
        from ridgeline.cli.local.adoption import Adoption
    except ImportError:
        raise CommandError(_CLIENT_ALONE) from None
    return Adoption(home)


def _adopt(adoption: "Adoption", output: "Output", *, renew: bool, yes: bool) -> "AdoptionState":
    from ridgeline.cli.session import confirm

    state = adoption.look()
    if not output.as_json:
        output.show(*_lines(state))
    if state.belongs and not renew:
        output.remark("They belong together; nothing to do.")
        return state
    places = " and ".join(state.marks)
    confirm(f"Make the database the owner of {places}?", yes=yes)
    state = state._replace(database=adoption.adopt(renew=renew))
    output.remark(f"{places}: now owned by {state.database}.")
    return state


def _lines(state: "AdoptionState") -> list[str]:
    unowned = {None: "nobody: there is no mark", "": "nobody: the mark is unreadable"}
    lines = [
        f"database  {state.database}",
        *(
            f"files     {place}, owned by {unowned.get(mark, mark)}"
            for place, mark in state.marks.items()
        ),
        f"known     {state.known} of the jobs and files of data sets there",
        f"unknown   {state.unknown}",
    ]
    if state.unknown:
        lines.append("The running service deletes unknown files after a day: copy them first.")
    return lines
