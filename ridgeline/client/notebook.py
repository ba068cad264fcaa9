"""Charts, and views of a job: a live chart in a notebook, lines of text elsewhere."""

import sys
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO, TypedDict

from pydantic import PrivateAttr

from ridgeline.api.curves import EpochRow, Theme
from ridgeline.api.events import EpochEvent, StatusEvent
from ridgeline.api.job import Job
from ridgeline.client._http import Transport, read_object
from ridgeline.client.errors import RidgelineError

if TYPE_CHECKING:
    from ridgeline.client.client import Client

#: Least pause between two redraws, in seconds: a notebook drops updates that arrive too fast.
PAUSE_S = 1.0
#: The share of the time that drawing may take.
DRAWING_SHARE = 0.25
#: JupyterLab, Notebook 7 and VS Code draw it. It names the version of the renderer.
VEGA_LITE = "application/vnd.vegalite.v5+json"
SVG = "image/svg+xml"
TEXT = "text/plain"

_SHOWN = ("loss", "data_loss", "penalty", "val_data_loss", "val_accuracy")

Picture = dict[str, Any]
"""One picture in several media types; the notebook shows the richest that it can."""
ImageFormat = Literal["svg", "png"]
ChartFormat = Literal["svg", "png", "vega-lite"]

_MEDIA_TYPES: dict[ChartFormat, str] = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "vega-lite": "application/vnd.vegalite+json",
}


class Look(TypedDict, total=False):
    """The appearance of a chart; the service chooses whatever is left out."""

    theme: Theme
    """`light` or `dark`."""
    width: int
    """Of the picture in pixels, like `height`."""
    height: int
    scale: float
    """A PNG's pixels as a multiple of the size: 2 for a sharp screen."""
    max_points: int
    """At most this many epochs, including those at which a series is extreme."""


def get_chart(
    transport: Transport, path: str, format_: ChartFormat, query: Mapping[str, Any]
) -> bytes | dict[str, Any]:
    """Get a chart in a format; raises ValueError for an unknown one."""
    if format_ not in _MEDIA_TYPES:
        raise ValueError(f"expected a format of {', '.join(_MEDIA_TYPES)}, received {format_!r}")
    headers = {"Accept": _MEDIA_TYPES[format_]}
    response = transport.send("GET", path, params=query, headers=headers)
    return read_object(response) if format_ == "vega-lite" else response.content


class JobView:
    """Shows a job while it trains.

    As the last value of a notebook's cell it is a chart, which a thread updates until the job has
    ended, whatever other cells do; a saved notebook keeps the last picture. Elsewhere it is a line
    of text, and `wait` prints further lines.
    """

    def __init__(
        self, client: "Client", job: Job, chart: str = "losses", theme: Theme = "light"
    ) -> None:
        self.job = job
        """The job as it was last fetched."""
        self._client = client
        self._chart = chart
        self._theme = theme
        self._outputs: list[NotebookOutput] = []
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def __repr__(self) -> str:
        return _summary(self.job)

    def wait(self, file: TextIO | None = None) -> Job:
        """Show the job until it has ended, and return it, however it ended.

        In a notebook it shows a chart; elsewhere, or with a `file`, it prints a line for each epoch
        and each change of status, to standard output by default.

        Raises the errors of `Client.wait`.
        """
        if file is None and in_notebook():
            if self._thread is None:
                self._ipython_display_()
            self.job = self._client.wait(self.job.id)
            if self._thread is not None:
                self._thread.join()
        else:
            self._print(file or sys.stdout)
        return self.job

    def stop(self) -> None:
        """Stop updating the picture; the job keeps running."""
        self._stopped.set()

    def _print(self, file: TextIO) -> None:
        for event in self._client.events(self.job.id):
            if isinstance(event, EpochEvent):
                line = _epoch_line(event.row, self.job.progress.epochs)
            else:
                line = _status_line(event)
            print(line, file=file, flush=True)
        self.job = self._client.job(self.job.id)

    def _ipython_display_(self) -> None:
        """Show the job below the cell, and keep it up to date."""
        if not in_notebook():
            sys.stdout.write(f"{self!r}\n")
            return
        self._outputs.append(NotebookOutput(self._picture()))
        if self._thread is None and not self.job.status.terminal:
            self._thread = threading.Thread(
                target=self._follow, name=f"view of {self.job.id}", daemon=True
            )
            self._thread.start()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Picture:
        """The job as it is now, for programs that show notebooks without IPython."""
        del include, exclude  # the program picks from all media types
        return self._picture()

    def _follow(self) -> None:
        """In a thread: redraw after each change."""
        try:
            self._client.wait(self.job.id, on_change=self._draw)
        except _Stopped:
            return
        except RidgelineError as error:
            self._show({TEXT: f"{self!r}\nno longer updated: {error}"})

    def _draw(self, job: Job) -> None:
        self.job = job
        started = time.monotonic()
        self._show(self._picture())
        pause = max(PAUSE_S, (time.monotonic() - started) / DRAWING_SHARE)
        if self._stopped.wait(0.0 if job.status.terminal else pause):
            raise _Stopped

    def _show(self, picture: Picture) -> None:
        for output in self._outputs:
            output.show(picture)

    def _picture(self) -> Picture:
        """The chart in every available format, and the job as a line of text."""
        chart = (self.job.id, self._chart)
        try:
            definition = self._client.chart(*chart, format="vega-lite", theme=self._theme)
            svg = self._client.chart(*chart, format="svg", theme=self._theme)
        except RidgelineError as error:
            return {TEXT: f"{self!r}\n{error}"}
        return {VEGA_LITE: definition, SVG: svg.decode(), TEXT: repr(self)}


class _Stopped(Exception):
    """The view was stopped."""


class LiveJob(Job):
    """A Job that knows its client, so that a notebook can show it as a live chart.

    Its fields are as they were when it was fetched; only the chart is updated.
    """

    _client: "Client | None" = PrivateAttr(default=None)

    @classmethod
    def of(cls, job: Job, client: "Client") -> "LiveJob":
        """The same job, which `client` can show."""
        live = cls.model_construct(job.model_fields_set, **dict(job))
        live.__pydantic_private__ = {"_client": client}
        return live

    def __repr_name__(self) -> str:
        return Job.__name__

    def __getstate__(self) -> dict[Any, Any]:
        # A client holds connections: it is not pickled with the job, which then shows no chart.
        return super().__getstate__() | {"__pydantic_private__": {"_client": None}}

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        shared = {} if memo is None else memo
        shared[id(self._client)] = self._client
        return super().__deepcopy__(shared)

    def _ipython_display_(self) -> None:
        if self._client is None:
            raise NotImplementedError  # tells IPython to show it as any other object
        JobView(self._client, self)._ipython_display_()


class NotebookOutput:
    """A picture below a cell, which any thread can replace afterwards."""

    def __init__(self, picture: Picture) -> None:
        display = import_module("IPython.display").display
        self._handle: Any = display(picture, raw=True, display_id=True)

    def show(self, picture: Picture) -> None:
        """Replace the picture shown so far."""
        self._handle.update(picture, raw=True)


def in_notebook() -> bool:
    """Whether this is a notebook's kernel, and not a script or a shell in a terminal.

    IPython is not imported for it.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _summary(job: Job) -> str:
    """One line: the job's status, progress and losses."""
    progress = job.progress
    parts = [job.name or job.id, job.status.value, f"epoch {progress.epoch}/{progress.epochs}"]
    if progress.eta_s is not None and not job.status.terminal:
        parts.append(f"{progress.eta_s:.0f} s left")
    parts += _losses(job.metrics)
    if job.reason is not None:
        parts.append(job.reason.detail)
    return "  ".join(parts)


def _epoch_line(row: EpochRow, epochs: int) -> str:
    return "  ".join([f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}", *_losses(row.values)])


def _status_line(event: StatusEvent) -> str:
    change = event.after.value if event.before is None else f"{event.before} → {event.after}"
    return change if event.reason is None else f"{change}: {event.reason.detail}"


def _losses(values: dict[str, float | None]) -> list[str]:
    return [
        f"{name} {'not finite' if value is None else format(value, '.4f')}"
        for name, value in values.items()
        if name in _SHOWN
    ]
