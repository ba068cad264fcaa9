"""Waits for news of a job by polling: for its next change, and for new lines of its log."""

import time
from collections.abc import Iterator
from http import HTTPStatus

import httpx

from ridgeline.api.job import Job
from ridgeline.api.log import LogEntry, LogLevel, LogPage
from ridgeline.client._http import IDLE_PAUSE_S, LONG_POLL_S, Transport, job_path, read
from ridgeline.client.errors import WaitTimeoutError

#: Seconds between two requests for new log lines.
LOG_PAUSE_S = 0.5
#: A worker may still log after a job has ended: the log is complete after this many silent seconds.
LAST_LINES_S = 1.0


def job_changes(transport: Transport, job_id: str, timeout: float | None) -> Iterator[Job]:
    """Yield the job now and after each change, until it has ended.

    Raises WaitTimeoutError where that takes more than `timeout` seconds.
    """
    deadline = _deadline_after(timeout)
    response = transport.send("GET", job_path(job_id))
    while True:
        job = read(Job, response)
        yield job
        if job.status.terminal:
            return
        response = _next_change(transport, job, response.headers.get("ETag", ""), deadline)


def _deadline_after(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _next_change(
    transport: Transport, job: Job, etag: str, deadline: float | None
) -> httpx.Response:
    """Long-poll until the job has changed from the version that `etag` names.

    Raises WaitTimeoutError at the deadline.
    """
    while True:
        started = time.monotonic()
        left = LONG_POLL_S if deadline is None else min(LONG_POLL_S, deadline - started)
        if left <= 0:
            at = f"{job.status} at epoch {job.progress.epoch} of {job.progress.epochs}"
            raise WaitTimeoutError(f"{job.id} was still {at} at the end of the timeout")
        response = transport.send(
            "GET",
            job_path(job.id),
            patient=True,
            held_s=left,
            params={"wait": f"{left:.3f}"},
            headers={"If-None-Match": etag} if etag else {},
        )
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            return response
        if time.monotonic() - started < min(left, IDLE_PAUSE_S):
            time.sleep(min(left, IDLE_PAUSE_S))


class JobLog:
    """One job's log lines, each exactly once and in order."""

    def __init__(
        self, transport: Transport, job_id: str, level: LogLevel | None, page_size: int
    ) -> None:
        self._transport = transport
        self._job_id = job_id
        self._level = level
        self._page_size = page_size
        self._after = 0
        self._etag = ""
        self._ended = False

    def lines(self, *, patient: bool = False) -> Iterator[LogEntry]:
        """Yield the lines after those already read.

        With `patient` the service may be unreachable for a while.
        """
        while True:
            page = self._page(patient=patient)
            for entry in page.items:
                self._after = entry.id
                yield entry
            if page.next is None:
                return

    def follow(self, timeout: float | None) -> Iterator[LogEntry]:
        """Yield the lines so far and new ones as they arrive, until the job has ended.

        Raises WaitTimeoutError where that takes more than `timeout` seconds.
        """
        deadline = _deadline_after(timeout)
        yield from self.lines()
        last_line_at = time.monotonic()
        while True:
            ended = self._has_ended()
            before = self._after
            yield from self.lines(patient=True)
            if self._after > before:
                last_line_at = time.monotonic()
            elif ended and time.monotonic() - last_line_at >= LAST_LINES_S:
                return
            time.sleep(self._pause_s(deadline))

    def _page(self, *, patient: bool) -> LogPage:
        query = {"limit": str(self._page_size), "after": str(self._after)}
        if self._level is not None:
            query["level"] = self._level.value
        response = self._transport.send(
            "GET",
            job_path(self._job_id, "logs"),
            patient=patient,
            params=query,
            headers={"Accept": "application/json"},
        )
        return read(LogPage, response)

    def _has_ended(self) -> bool:
        headers = {"If-None-Match": self._etag} if self._etag else {}
        path = job_path(self._job_id)
        response = self._transport.send("GET", path, patient=True, headers=headers)
        if response.status_code != HTTPStatus.NOT_MODIFIED:
            self._etag = response.headers.get("ETag", "")
            self._ended = read(Job, response).status.terminal
        return self._ended

    def _pause_s(self, deadline: float | None) -> float:
        if deadline is None or self._ended:
            return LOG_PAUSE_S
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(
                f"{self._job_id} has not ended within the timeout; the job continues"
            )
        return min(left, LOG_PAUSE_S)
