"""`ridgeline curves`: the losses as a plot, as pictures, as data."""

from typing import Annotated

import typer

from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    ChartName,
    JobArgument,
    MaxPoints,
    PngFile,
    SvgFile,
    Theme,
    Url,
)
from ridgeline.cli.talking import talking


def curves(
    context: typer.Context,
    job: JobArgument,
    chart: Annotated[
        ChartName, typer.Option("--chart", "-c", help="Which chart to draw.")
    ] = "losses",
    log: Annotated[
        bool, typer.Option("--log", help="A logarithmic axis, in the terminal.")
    ] = False,
    png: PngFile = None,
    svg: SvgFile = None,
    theme: Theme = "light",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line an epoch.")] = False,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Print a JSON object an epoch.")] = False,
    max_points: MaxPoints = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the curves: a plot in the terminal, a picture in a file, or data.

    The penalty stands apart from the data loss.
    """
    with talking(context, url, as_json=as_json or as_csv or ndjson) as session:
        from ridgeline.cli.curves import CurvesWanted, give_curves

        wanted = CurvesWanted(
            chart=chart,
            logarithmic=log,
            pictures={"png": png, "svg": svg},
            theme=theme,
            data=[
                name
                for name, asked in {"json": as_json, "csv": as_csv, "ndjson": ndjson}.items()
                if asked
            ],
            max_points=max_points,
        )
        give_curves(session, session.job_id(job), wanted)
