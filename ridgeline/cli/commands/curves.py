"""Curves of a job, and jobs compared."""

from typing import Annotated

import typer

from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    ChartName,
    JobArgument,
    JobArguments,
    MaxPoints,
    PngFile,
    SvgFile,
    Theme,
    Url,
)
from ridgeline.cli.session import open_session


def curves(
    context: typer.Context,
    job: JobArgument,
    chart: Annotated[
        ChartName, typer.Option("--chart", "-c", help="Which chart to draw.")
    ] = "losses",
    log: Annotated[
        bool, typer.Option("--log", help="Use a logarithmic axis in the terminal.")
    ] = False,
    png: PngFile = None,
    svg: SvgFile = None,
    theme: Theme = "light",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line per epoch.")] = False,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Print one JSON object per epoch.")
    ] = False,
    max_points: MaxPoints = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the curves: a plot in the terminal, a picture in a file, or data.

    The penalty is shown separately from the data loss.
    """
    with open_session(context, url, as_json=as_json or as_csv or ndjson) as session:
        from ridgeline.cli.curves import CurvesWanted, output_curves

        forms = {"json": as_json, "csv": as_csv, "ndjson": ndjson}
        wanted = CurvesWanted(
            chart=chart,
            logarithmic=log,
            pictures={"png": png, "svg": svg},
            theme=theme,
            data=[name for name, is_wanted in forms.items() if is_wanted],
            max_points=max_points,
        )
        output_curves(session, session.job_id(job), wanted)


def compare(
    context: typer.Context,
    jobs: JobArguments,
    measure: Annotated[
        str,
        typer.Option("--measure", "-m", help="What to plot: loss (the data loss) or a metric."),
    ] = "loss",
    plot: Annotated[bool, typer.Option(help="Draw the curves below the tables.")] = True,
    png: PngFile = None,
    svg: SvgFile = None,
    theme: Theme = "light",
    max_points: MaxPoints = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Compare jobs: the differences between their specs, and their results."""
    with open_session(context, url, as_json=as_json) as session:
        from ridgeline.cli.curves import wanted_pictures, write_picture
        from ridgeline.cli.views.comparison import comparison_page, comparison_plot

        ids = session.job_ids(jobs, least=2)
        pictures = wanted_pictures({"png": png, "svg": svg}, ["json"] if as_json else [])
        for kind, path in pictures.items():
            content = session.client.compare_chart(*ids, measure=measure, format=kind, theme=theme)
            write_picture(session, path, content)
        if pictures and not as_json:
            return
        comparison = session.client.compare(*ids, max_points=max_points)
        if as_json:
            session.output.document(comparison)
            return
        session.output.show(*comparison_page(comparison))
        if plot:
            session.output.show(*comparison_plot(comparison, measure, session.output.console))
