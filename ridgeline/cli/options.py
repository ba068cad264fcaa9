"""Options and arguments that several commands have."""

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
    "The service",
)

# The contract's own enumerations take half a second to import; a test holds these against them.
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
        "--url", envvar=default_url.URL_VARIABLE, metavar="URL", help="Where the service is."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]
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
        metavar="FILE", help="The spec, a JSON file; - is standard input.", show_default=False
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Put a value into the spec: training.epochs=5, model.layers.0.units=32.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0, metavar="SECONDS", help="Wait no longer; the job goes on."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
PngFile = Annotated[
    Path | None,
    typer.Option("--png", metavar="FILE", help="Write a picture; - is standard output."),
]
SvgFile = Annotated[
    Path | None, typer.Option("--svg", metavar="FILE", help="The same, that scales.")
]
Theme = Annotated[Literal["light", "dark"], typer.Option(help="The colours of a picture.")]
MaxPoints = Annotated[
    int | None,
    typer.Option(min=2, max=10_000, help="At most so many epochs; the extremes are kept."),
]
