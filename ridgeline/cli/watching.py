"""Watches a job until it has ended."""

import time

import typer
from rich.text import Text

from ridgeline.api.job import Job, JobStatus
from ridgeline.cli.exits import ExitCode
from ridgeline.cli.feed import Feed
from ridgeline.cli.figures import duration, number, short
from ridgeline.cli.printing import styled
from ridgeline.cli.session import Session
from ridgeline.cli.views.jobs import STYLES, advice_lines, one_line
from ridgeline.cli.views.losses import LossView
from ridgeline.client import NotFoundError, WaitTimeoutError


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


class _Clock:
    """Seconds that are left; None is for ever."""

    def __init__(self, job_id: str, timeout: float | None) -> None:
        self._job_id = job_id
        self._until = None if timeout is None else time.monotonic() + timeout

    def left_s(self) -> float | None:
        """Raises WaitTimeoutError where none are left."""
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(f"{self._job_id} goes on, but the time to wait is over")
        return left


def _print_events(session: Session, job: Job, timeout: float | None) -> None:
    clock = _Clock(job.id, timeout)
    with Feed(session.client, job.id) as feed:
        while not feed.ended:
            event = feed.take(clock.left_s())
            if event is not None:
                session.output.line(event)


def _show_losses(session: Session, job: Job, timeout: float | None, every: int | None) -> None:
    clock, epochs = _Clock(job.id, timeout), job.resolved.training.epochs
    view = LossView(session.output.console, epochs, every=every)
    with Feed(session.client, job.id) as feed, view:
        while not feed.ended:
            event = feed.take(clock.left_s())
            if event is not None:
                view.tell(event)


def _conclude(session: Session, job: Job) -> None:
    show = session.output.show
    name = short(job.id)
    text = Text.assemble((job.status.value, STYLES[job.status]))
    if job.started_at and job.finished_at:
        text.append(f" after {duration((job.finished_at - job.started_at).total_seconds())}")
    if job.reason and job.status is not JobStatus.SUCCEEDED:
        text.append_text(styled(f": {job.reason.detail}", ""))
    tested = {key: value for key, value in job.metrics.items() if key.startswith("test_")}
    if tested:
        text.append("; " + ", ".join(f"{key} {number(value)}" for key, value in tested.items()))
    show(text)
    try:
        report = session.client.report(job.id)
    except NotFoundError:
        return
    show(Text.assemble("verdict: ", (report.verdict.value, "bold")))
    show(f"ridgeline report {name}   says why; ridgeline download {name}   brings the files")
