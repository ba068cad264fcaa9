"""A job's curves as a plot, as pictures, or as data; and where pictures are written."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from ridgeline.api.curves import Curves, write_csv
from ridgeline.cli.errors import UsageError
from ridgeline.cli.printing import size
from ridgeline.cli.session import Session
from ridgeline.cli.views.plots import curves_plot

PictureFormat = Literal["png", "svg"]
STDOUT = Path("-")

#: How many epochs a plot of characters can show.
_PLOT_POINTS = 500


@dataclass(frozen=True)
class CurvesWanted:
    """Which curves to output, and in which forms."""

    chart: str
    logarithmic: bool
    pictures: Mapping[PictureFormat, Path | None]
    """The file of each; `-` is standard output."""
    theme: Literal["light", "dark"]
    data: Sequence[str]
    max_points: int | None


def output_curves(session: Session, job_id: str, wanted: CurvesWanted) -> None:
    """Write the pictures and print the data, or a plot if neither is wanted.

    Raises UsageError if more than one of them would go to standard output.
    """
    pictures = wanted_pictures(wanted.pictures, wanted.data)
    for kind, path in pictures.items():
        content = session.client.chart(job_id, wanted.chart, format=kind, theme=wanted.theme)
        write_picture(session, path, content)
    if wanted.data:
        _print_data(session, job_id, wanted)
    elif not pictures:
        curves = session.client.curves(job_id, wanted.max_points or _PLOT_POINTS)
        console = session.output.console
        logarithmic = wanted.logarithmic
        session.output.show(*curves_plot(curves, wanted.chart, console, logarithmic=logarithmic))


def wanted_pictures(
    files: Mapping[PictureFormat, Path | None], printed: Sequence[str]
) -> dict[PictureFormat, Path]:
    """The pictures to write, with `-` for standard output.

    Raises UsageError if more than one of them and of `printed` would go there.
    """
    pictures = {kind: path for kind, path in files.items() if path is not None}
    to_stdout = [*printed, *(kind for kind, path in pictures.items() if path == STDOUT)]
    if len(to_stdout) > 1:
        raise UsageError(f"only one of {', '.join(to_stdout)} can go to standard output")
    return pictures


def write_picture(session: Session, path: Path, content: bytes) -> None:
    """Write a picture to a file, or to standard output unless that is a terminal."""
    if path != STDOUT:
        path.write_bytes(content)
        session.output.remark(f"{path}  {size(len(content))}")
        return
    if sys.stdout.isatty():
        raise UsageError("cannot print a picture on a terminal; pipe it, or name a file")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _print_data(session: Session, job_id: str, wanted: CurvesWanted) -> None:
    curves = session.client.curves(job_id, wanted.max_points)
    if "csv" in wanted.data:
        write_csv(curves, sys.stdout)
    elif "ndjson" in wanted.data:
        _write_ndjson(curves, sys.stdout)
    else:
        session.output.document(curves)


def _write_ndjson(curves: Curves, file: TextIO) -> None:
    """Write one object per epoch: its number, every series, and each layer's penalty."""
    columns = curves.to_dict()
    file.writelines(
        json.dumps(dict(zip(columns, row, strict=True))) + "\n"
        for row in zip(*columns.values(), strict=True)
    )
