"""Gives a job's curves in the forms that are asked for."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ridgeline.api.curves import write_csv
from ridgeline.cli.pictures import PictureFormat, asked_for, write_picture
from ridgeline.cli.session import Session
from ridgeline.cli.tabular import write_ndjson
from ridgeline.cli.views.curves import curves_plot

#: What a plot of characters can show of a long training.
_PLOT_POINTS = 500


@dataclass(frozen=True)
class CurvesWanted:
    """What of the curves, and how."""

    chart: str
    logarithmic: bool
    pictures: Mapping[PictureFormat, Path | None]
    """Where each goes; `-` is standard output."""
    theme: Literal["light", "dark"]
    data: Sequence[str]
    max_points: int | None


def give_curves(session: Session, job_id: str, wanted: CurvesWanted) -> None:
    """Write the pictures and print the data; a plot where neither is asked for.

    Raises UsageError where more than one would go to standard output.
    """
    pictures = asked_for(wanted.pictures, wanted.data)
    for kind, path in pictures.items():
        content = session.client.chart(job_id, wanted.chart, format=kind, theme=wanted.theme)
        write_picture(session, path, content)
    if wanted.data:
        _print_data(session, job_id, wanted)
    elif not pictures:
        points = wanted.max_points or _PLOT_POINTS
        found = session.client.curves(job_id, points)
        console = session.output.console
        logarithmic = wanted.logarithmic
        session.output.show(*curves_plot(found, wanted.chart, console, logarithmic=logarithmic))


def _print_data(session: Session, job_id: str, wanted: CurvesWanted) -> None:
    found = session.client.curves(job_id, wanted.max_points)
    if "csv" in wanted.data:
        write_csv(found, sys.stdout)
    elif "ndjson" in wanted.data:
        write_ndjson(found, sys.stdout)
    else:
        session.output.document(found)
