"""A job as one sees it."""

import sys
from typing import TYPE_CHECKING, TextIO

from ridgeline.client import lines
from ridgeline.client.results import Theme
from ridgeline.contract.events import EpochEvent
from ridgeline.contract.job import Job

if TYPE_CHECKING:
    from ridgeline.client.watching import Watching


class JobView:
    """A job that is looked at while it trains."""

    def __init__(self, client: "Watching", job: Job, chart: str, theme: Theme) -> None:
        self.job = job
        """As it was when it was last looked at."""
        self._client = client
        self._chart = chart
        self._theme = theme

    def __repr__(self) -> str:
        return lines.summary(self.job)

    def wait(self, file: TextIO | None = None) -> Job:
        """Show the job until it has ended, and return it: a line for each epoch, to `file`.

        Standard output unless given. Raises what `Client.events` does.
        """
        for event in self._client.events(self.job.id):
            if isinstance(event, EpochEvent):
                line = lines.epoch(event.row, self.job.progress.epochs)
            else:
                line = lines.status(event)
            print(line, file=file or sys.stdout, flush=True)
        self.job = self._client.job(self.job.id)
        return self.job
