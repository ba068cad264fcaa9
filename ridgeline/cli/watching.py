"""Watches a job until it has ended, from its events read in a thread."""

import queue
import threading
import time
from typing import Self

import typer
from rich.text import Text

from ridgeline.api.events import JobEvent
from ridgeline.api.job import Job, JobStatus
from ridgeline.cli.errors import ExitCode
from ridgeline.cli.printing import duration, number
from ridgeline.cli.references import short
from ridgeline.cli.session import Session
from ridgeline.cli.views.jobs import STYLES, one_line, reason_text
from ridgeline.cli.views.losses import LossView
from ridgeline.cli.views.specs import advice_lines
from ridgeline.client import Client, NotFoundError, RidgelineError, WaitTimeoutError

#: How many events may be queued; a slower reader stalls the stream.
_READY = 1000
#: A signal that arrives just before a wait begins is handled only after that wait.
_WAIT_S = 0.5


def watch_job(
    session: Session,
    job: Job,
    timeout: float | None,
    *,
    every: int | None = None,
    ndjson: bool = False,
) -> None:
    """Show a job until it has ended; raises typer.Exit unless it has succeeded.

    Raises WaitTimeoutError where that takes more than `timeout` seconds.
    """
    session.following = job.id
    if ndjson:
        _print_events(session, job, timeout)
        ended = session.client.job(job.id)
    elif session.output.as_json:
        ended = session.client.wait(job.id, timeout)
        session.output.document(ended)
    else:
        session.output.show(one_line(job), *advice_lines(job.advice))
        _show_losses(session, job, timeout, every)
        ended = session.client.job(job.id)
        _conclude(session, ended)
    if ended.status is not JobStatus.SUCCEEDED:
        raise typer.Exit(ExitCode.NOT_SUCCEEDED)


def _print_events(session: Session, job: Job, timeout: float | None) -> None:
    timer = _Timer(job.id, timeout)
    with EventReader(session.client, job.id) as reader:
        while not reader.ended:
            event = reader.next_event(timer.left_s())
            if event is not None:
                session.output.line(event)


def _show_losses(session: Session, job: Job, timeout: float | None, every: int | None) -> None:
    timer, epochs = _Timer(job.id, timeout), job.resolved.training.epochs
    view = LossView(session.output.console, epochs, every=every)
    with EventReader(session.client, job.id) as reader, view:
        while not reader.ended:
            event = reader.next_event(timer.left_s())
            if event is not None:
                view.show(event)


def _conclude(session: Session, job: Job) -> None:
    show = session.output.show
    name = short(job.id)
    text = Text.assemble((job.status.value, STYLES[job.status]))
    if job.started_at and job.finished_at:
        text.append(f" after {duration((job.finished_at - job.started_at).total_seconds())}")
    text.append_text(reason_text(job))
    tested = {key: value for key, value in job.metrics.items() if key.startswith("test_")}
    if tested:
        text.append("; " + ", ".join(f"{key} {number(value)}" for key, value in tested.items()))
    show(text)
    try:
        report = session.client.report(job.id)
    except NotFoundError:
        return
    show(Text.assemble("verdict: ", (report.verdict.value, "bold")))
    show(f"Next: `ridgeline report {name}` for the reasons, `ridgeline download {name}` for files")


class _Timer:
    """The seconds left of a timeout; None never runs out."""

    def __init__(self, job_id: str, timeout: float | None) -> None:
        self._job_id = job_id
        self._until = None if timeout is None else time.monotonic() + timeout

    def left_s(self) -> float | None:
        """The seconds left; raises WaitTimeoutError if there are none."""
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(f"{self._job_id} has not ended within the timeout; it continues")
        return left


class EventReader:
    """Reads a job's events in a thread, so that waiting for the next one can be interrupted.

    A context manager: after its block no event is read any more, and the client may be closed.
    """

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._ready: queue.Queue[JobEvent | Exception | None] = queue.Queue(_READY)
        self._closed = False
        self.ended = False
        """Whether the last event has been returned."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._read, name="events", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True

    def next_event(self, timeout: float | None = None) -> JobEvent | None:
        """The next event; None if the job has ended, or if none arrives in time.

        It waits half a second, or `timeout` seconds if that is less. Raises RidgelineError if the
        events cannot be read.
        """
        if self.ended:
            return None
        try:
            item = self._ready.get(timeout=_WAIT_S if timeout is None else min(timeout, _WAIT_S))
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        self.ended = item is None
        return item

    def _read(self) -> None:
        try:
            for event in self._client.events(self._job_id):
                self._ready.put(event)
                if self._closed:
                    return
            self._ready.put(None)
        except (RidgelineError, RuntimeError) as error:
            # Raised in `next_event`; after the block, when the client is closed, nobody calls it.
            self._ready.put(error)
