"""`ridgeline compare`: jobs beside each other."""

from typing import Annotated

import typer

from ridgeline.cli.options import (
    DEFAULT_URL,
    AsJson,
    JobArguments,
    MaxPoints,
    PngFile,
    SvgFile,
    Theme,
    Url,
)
from ridgeline.cli.talking import talking


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
    """Compare jobs: what their specs say differently, and what came of it."""
    with talking(context, url, as_json=as_json) as session:
        from ridgeline.cli.pictures import asked_for, write_picture
        from ridgeline.cli.views.comparison import comparison_page, comparison_plot

        ids = session.job_ids(jobs, least=2)
        pictures = asked_for({"png": png, "svg": svg}, ["json"] if as_json else [])
        for kind, path in pictures.items():
            content = session.client.compare_chart(*ids, measure=measure, format=kind, theme=theme)
            write_picture(session, path, content)
        if pictures and not as_json:
            return
        found = session.client.compare(*ids, max_points=max_points)
        if as_json:
            session.output.document(found)
            return
        session.output.show(*comparison_page(found))
        if plot:
            session.output.show(*comparison_plot(found, measure, session.output.console))
