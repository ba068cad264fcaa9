"""A job's log, read on from where it was left."""

import time
from collections.abc import Iterator
from http import HTTPStatus

from ridgeline.api.job import Job
from ridgeline.api.log import LogEntry, LogLevel, LogPage
from ridgeline.client.answers import read
from ridgeline.client.errors import WaitTimeoutError
from ridgeline.client.transport import Transport, job_path

#: Between two looks for new lines, in seconds.
PAUSE_S = 0.5
#: A worker may have last words on a job that has ended: so long it may be silent before them.
LAST_WORDS_S = 1.0


class JobLog:
    """One job's lines; each comes once, in order."""

    def __init__(
        self, service: Transport, job_id: str, level: LogLevel | None, page_size: int
    ) -> None:
        self._service = service
        self._job_id = job_id
        self._level = level
        self._page_size = page_size
        self._after = 0
        self._etag = ""
        self._ended = False

    def lines(self, *, patient: bool = False) -> Iterator[LogEntry]:
        """Go through the lines there are behind those that were read before.

        With `patient` the service may be away for a while.
        """
        while True:
            page = self._page(patient=patient)
            for entry in page.items:
                self._after = entry.id
                yield entry
            if page.next is None:
                return

    def followed(self, timeout: float | None) -> Iterator[LogEntry]:
        """Go through the lines there are and those that come, until the job has ended.

        Raises WaitTimeoutError where that takes more than `timeout` seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        yield from self.lines()
        heard = time.monotonic()
        while True:
            ended = self._has_ended()
            before = self._after
            yield from self.lines(patient=True)
            if self._after > before:
                heard = time.monotonic()
            elif ended and time.monotonic() - heard >= LAST_WORDS_S:
                return
            time.sleep(self._pause_s(until))

    def _page(self, *, patient: bool) -> LogPage:
        query = {"limit": str(self._page_size), "after": str(self._after)}
        if self._level is not None:
            query["level"] = self._level.value
        answer = self._service.send(
            "GET",
            job_path(self._job_id, "logs"),
            patient=patient,
            params=query,
            headers={"Accept": "application/json"},
        )
        return read(LogPage, answer)

    def _has_ended(self) -> bool:
        headers = {"If-None-Match": self._etag} if self._etag else {}
        answer = self._service.send("GET", job_path(self._job_id), patient=True, headers=headers)
        if answer.status_code != HTTPStatus.NOT_MODIFIED:
            self._etag = answer.headers.get("ETag", "")
            self._ended = read(Job, answer).status.terminal
        return self._ended

    def _pause_s(self, until: float | None) -> float:
        if until is None or self._ended:
            return PAUSE_S
        left = until - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(f"{self._job_id} goes on, but the time to wait is over")
        return min(left, PAUSE_S)
