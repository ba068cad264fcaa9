"""A bar for bytes on their way."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ridgeline.cli.figures import printable
from ridgeline.cli.printing import Output
from ridgeline.client import OnProgress


@contextmanager
def transferring(output: Output, name: str) -> Iterator[OnProgress | None]:
    """Show how far a transfer is, on a terminal; the block hands on what it is given."""
    if not output.live:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.console, transient=True) as bar:
        task = bar.add_task(printable(name), total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
