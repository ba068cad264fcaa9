"""What to do where a database and a store of files do not belong together, and should."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ridgeline.cli.errors import CommandError
from ridgeline.cli.options import AsJson, Yes

if TYPE_CHECKING:
    from ridgeline.cli.local.adoption import Adoption, Found
    from ridgeline.cli.printing import Output

_CLIENT_ALONE = (
    "the installed `ridgeline` is the client alone: run this where the API runs, with its settings"
)


def adopt(
    home: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of database and artifacts, as for `up`."),
    ] = None,
    new_identity: Annotated[
        bool,
        typer.Option(
            "--new-identity", help="For a copied database that is to live beside its original."
        ),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let the database take over its folder or bucket of files, whoever's that was.

    Run it where the API runs, with its settings, while API and workers are stopped.
    """
    from ridgeline.cli.printing import Output

    output = Output(as_json=as_json)
    try:
        found = _adopt(_adoption(home), output, renew=new_identity, yes=yes)
    except CommandError as error:
        output.remark(f"ridgeline: {error}")
        raise typer.Exit(error.code) from None
    if as_json:
        output.document(found._asdict())


def _adoption(home: Path | None) -> "Adoption":
    try:
        from ridgeline.cli.local.adoption import Adoption
    except ImportError:
        raise CommandError(_CLIENT_ALONE) from None
    return Adoption(home)


def _adopt(adoption: "Adoption", output: "Output", *, renew: bool, yes: bool) -> "Found":
    from ridgeline.cli.asking import confirm

    found = adoption.look()
    if not output.as_json:
        output.show(*_lines(found))
    if found.belongs and not renew:
        output.remark("They belong together: there is nothing to do.")
        return found
    places = " and ".join(found.marks)
    confirm(f"Shall the database take over {places}?", yes=yes)
    found = found._replace(database=adoption.adopt(renew=renew))
    output.remark(f"{places}: taken over by {found.database}.")
    return found


def _lines(found: "Found") -> list[str]:
    strange = {None: "nobody: there is no mark", "": "nobody: the mark cannot be read"}
    lines = [
        f"database  {found.database}",
        *(
            f"files     {place}, of {strange.get(mark, mark)}"
            for place, mark in found.marks.items()
        ),
        f"known     {found.known} of the jobs and files of data sets there",
        f"unknown   {found.unknown}",
    ]
    if found.unknown:
        lines.append(
            "What is unknown is deleted when it is a day old and the service runs: copy it first."
        )
    return lines
