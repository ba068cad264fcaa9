"""Gives a job's curves in the forms that are asked for."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ridgeline.cli.errors import UsageError
from ridgeline.cli.figures import size
from ridgeline.cli.session import Session
from ridgeline.cli.tabular import write_csv, write_ndjson
from ridgeline.cli.views.curves import curves_plot

#: What a plot of characters can show of a long training.
_PLOT_POINTS = 500
STDOUT = Path("-")


@dataclass(frozen=True)
class CurvesWanted:
    """What of the curves, and how."""

    chart: str
    logarithmic: bool
    pictures: Mapping[Literal["png", "svg"], Path | None]
    """Where each goes; `-` is standard output."""
    theme: Literal["light", "dark"]
    data: Sequence[str]
    max_points: int | None


def give_curves(session: Session, job_id: str, wanted: CurvesWanted) -> None:
    """Write the pictures and print the data; a plot where neither is asked for.

    Raises UsageError where more than one would go to standard output.
    """
    pictures = {kind: path for kind, path in wanted.pictures.items() if path is not None}
    printed = [*wanted.data, *(kind for kind, path in pictures.items() if path == STDOUT)]
    if len(printed) > 1:
        raise UsageError(f"only one of {', '.join(printed)} can go to standard output")
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


def write_picture(session: Session, path: Path, content: bytes) -> None:
    """Write a picture to a file, or to standard output where that is no terminal."""
    if path != STDOUT:
        path.write_bytes(content)
        session.output.remark(f"{path}  {size(len(content))}")
        return
    if sys.stdout.isatty():
        raise UsageError("a picture is no text: pipe it, or name a file")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _print_data(session: Session, job_id: str, wanted: CurvesWanted) -> None:
    found = session.client.curves(job_id, wanted.max_points)
    if "csv" in wanted.data:
        write_csv(found, sys.stdout)
    elif "ndjson" in wanted.data:
        write_ndjson(found, sys.stdout)
    else:
        session.output.document(found)
