"""A job as one sees it: its chart in a notebook, lines elsewhere."""

import sys
import threading
import time
from typing import Any, TextIO

from ridgeline.api.curves import Theme
from ridgeline.api.events import EpochEvent
from ridgeline.api.job import Job
from ridgeline.client import lines, notebook
from ridgeline.client.errors import RidgelineError
from ridgeline.client.progress import Progress

#: Least pause between two pictures, in seconds: a notebook drops what comes too fast.
PAUSE_S = 1.0
#: The share of the time that drawing may take.
DRAWING_SHARE = 0.25


class JobView:
    """Shows a job as it goes on.

    As the last value of a notebook's cell it is a chart, which a thread keeps up to date until the
    job has ended, whatever other cells do; a saved notebook keeps the last picture. Elsewhere it
    is a line of text, and `wait` prints more of them.
    """

    def __init__(
        self, client: Progress, job: Job, chart: str = "losses", theme: Theme = "light"
    ) -> None:
        self.job = job
        """As it was when it was last looked at."""
        self._client = client
        self._chart = chart
        self._theme = theme
        self._outputs: list[notebook.Output] = []
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def __repr__(self) -> str:
        return lines.summary(self.job)

    def wait(self, file: TextIO | None = None) -> Job:
        """Show the job until it has ended, and return it, however it ended.

        In a notebook that is a chart; elsewhere, or with a `file`, a line for each epoch and each
        change of status, by default on the standard output.

        Raises what `Client.wait` raises.
        """
        if file is None and notebook.running():
            if self._thread is None:
                self._ipython_display_()
            self.job = self._client.wait(self.job.id)
            if self._thread is not None:
                self._thread.join()
        else:
            self._print(file or sys.stdout)
        return self.job

    def stop(self) -> None:
        """Follow the job no longer; the picture stays as it is, and the job goes on."""
        self._stopped.set()

    def _print(self, file: TextIO) -> None:
        for event in self._client.events(self.job.id):
            if isinstance(event, EpochEvent):
                line = lines.epoch(event.row, self.job.progress.epochs)
            else:
                line = lines.status(event)
            print(line, file=file, flush=True)
        self.job = self._client.job(self.job.id)

    def _ipython_display_(self) -> None:
        """Show it below the cell, and keep that up to date."""
        if not notebook.running():
            sys.stdout.write(f"{self!r}\n")
            return
        self._outputs.append(notebook.Output(self._picture()))
        if self._thread is None and not self.job.status.terminal:
            self._thread = threading.Thread(
                target=self._follow, name=f"view of {self.job.id}", daemon=True
            )
            self._thread.start()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> notebook.Picture:
        """The job as it is now, for programs that show notebooks without IPython."""
        del include, exclude  # a program picks what it knows
        return self._picture()

    def _follow(self) -> None:
        """In a thread: draw each change."""
        try:
            self._client.wait(self.job.id, on_change=self._draw)
        except _Stopped:
            return
        except RidgelineError as error:
            self._show({notebook.TEXT: f"{self!r}\nnot followed any longer: {error}"})

    def _draw(self, job: Job) -> None:
        self.job = job
        began = time.monotonic()
        self._show(self._picture())
        pause = max(PAUSE_S, (time.monotonic() - began) / DRAWING_SHARE)
        if self._stopped.wait(0.0 if job.status.terminal else pause):
            raise _Stopped

    def _show(self, picture: notebook.Picture) -> None:
        for output in self._outputs:
            output.show(picture)

    def _picture(self) -> notebook.Picture:
        """The chart, in all the forms that can be had, and the job in a line."""
        asked = (self.job.id, self._chart)
        try:
            definition = self._client.chart(*asked, format="vega-lite", theme=self._theme)
            drawn = self._client.chart(*asked, format="svg", theme=self._theme)
        except RidgelineError as error:
            return {notebook.TEXT: f"{self!r}\n{error}"}
        return {
            notebook.VEGA_LITE: definition,
            notebook.SVG: drawn.decode(),
            notebook.TEXT: repr(self),
        }


class _Stopped(Exception):
    """Nobody wants to follow the job any longer."""
