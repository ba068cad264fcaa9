"""Options and arguments shared by several commands."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from ridgeline import default_url
from ridgeline.cli.completion import complete_datasets, complete_jobs

DEFAULT_URL = default_url.DEFAULT_URL
#: The panels of --help.
RUNNING, FOLLOWING, RESULTS, MATERIAL, SERVERS = (
    "Submit",
    "Jobs",
    "Results",
    "Material",
    "Service",
)

# The API's own enumerations take half a second to import; a test compares them with these.
StatusName = StrEnum(
    "StatusName",
    ["queued", "running", "cancelling", "pausing", "paused", "succeeded", "failed", "cancelled"],
)
LevelName = Literal["debug", "info", "warning", "error", "critical"]
ChartName = Literal["losses", "accuracy", "penalty", "weights", "learning_rate"]
FormatName = Literal["csv", "parquet", "npz", "npy", "images"]

_JOB_HELP = "A job's id, its start or end, or @last (@last~1: the one before)."
_DATASET_HELP = "A data set's id, its start or end, or @last."

Url = Annotated[
    str,
    typer.Option(
        "--url", envvar=default_url.URL_VARIABLE, metavar="URL", help="Address of the service."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
JobArgument = Annotated[
    str,
    typer.Argument(metavar="JOB", help=_JOB_HELP, autocompletion=complete_jobs, show_default=False),
]
JobArguments = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help=_JOB_HELP, autocompletion=complete_jobs, show_default=False),
]
DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help=_DATASET_HELP,
        autocompletion=complete_datasets,
        show_default=False,
    ),
]
DatasetArguments = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET",
        help=_DATASET_HELP,
        autocompletion=complete_datasets,
        show_default=False,
    ),
]
SpecFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="The spec, a JSON file; - reads standard input.", show_default=False
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Set a value in the spec: training.epochs=5, model.layers.0.units=32.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0,
        metavar="SECONDS",
        help="Stop waiting after this time; the job continues.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
PngFile = Annotated[
    Path | None,
    typer.Option("--png", metavar="FILE", help="Write a PNG picture; - is standard output."),
]
SvgFile = Annotated[
    Path | None,
    typer.Option("--svg", metavar="FILE", help="Write an SVG picture; - is standard output."),
]
Theme = Annotated[Literal["light", "dark"], typer.Option(help="Colors of a picture.")]
MaxPoints = Annotated[
    int | None,
    typer.Option(min=2, max=10_000, help="At most this many epochs; extremes are kept."),
]
