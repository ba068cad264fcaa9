"""Follows a job's events to the last one, by a stream or by long-poll."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import httpx
from pydantic import TypeAdapter, ValidationError

from ridgeline.api.events import EventPage, JobEvent
from ridgeline.client.answers import read, unexpected
from ridgeline.client.event_stream import MEDIA_TYPE, EventStream, OverlongLine, ServerSentEvent
from ridgeline.client.retries import Attempts
from ridgeline.client.transport import Transport, job_path

#: The service sends something every 15 s; a stream that is silent for longer has died, or a proxy
#: keeps it back.
SILENCE_S = 20.0
#: How long one long-poll asks the service to hold its answer, in seconds.
LONG_POLL_S = 20.0
#: Least pause between two polls that brought nothing, should a service not hold its answer.
IDLE_PAUSE_S = 0.2
#: A stream that said something and lasted so long is one that works, even without an event.
LIVELY_S = 1.0
#: So many streams in a row that broke without a byte, and long-poll takes their place.
MUTE_STREAMS = 2

_EVENT: TypeAdapter[JobEvent] = TypeAdapter(JobEvent)
_KINDS = frozenset({"status", "epoch"})
_END = "end"


class Following:
    """One job's events behind the one with the id `after`; each comes once, in order."""

    def __init__(self, service: Transport, job_id: str, after: int) -> None:
        self._service = service
        self._path = job_path(job_id, "events")
        self._last_id = after
        self._attempts = Attempts(service.retries, patient=True)
        self._streams = True
        self._mute = 0
        self._complete = False

    def events(self) -> Iterator[JobEvent]:
        """Go through the events as they happen, until the job has ended."""
        while not self._complete:
            yield from self._streamed() if self._streams else self._polled()

    def _streamed(self) -> Iterator[JobEvent]:
        """The events of one stream; when it breaks, see to it how to go on."""
        stream = EventStream()
        opened, before = time.monotonic(), self._last_id
        broken: httpx.RequestError | None = None
        try:
            with self._open() as answer:
                if not _is_stream(answer):
                    self._streams = False  # asking for a page will tell what is the matter
                    return
                for message in stream.events(answer.iter_bytes()):
                    if message.event == _END:
                        self._complete = True
                        return
                    yield from self._new(message, answer)
        except OverlongLine:
            self._streams = False
        except httpx.RequestError as error:
            broken = error
        worked = self._last_id > before or (stream.heard and time.monotonic() - opened > LIVELY_S)
        if worked:
            self._attempts.progressed()
        self._go_on(stream, broken, None if worked else stream.retry_s)

    def _open(self) -> AbstractContextManager[httpx.Response]:
        headers = {"Accept": MEDIA_TYPE, "Cache-Control": "no-cache"}
        if self._last_id:
            headers["Last-Event-ID"] = str(self._last_id)
        return self._service.stream("GET", self._path, silence_s=SILENCE_S, headers=headers)

    def _new(self, message: ServerSentEvent, answer: httpx.Response) -> Iterator[JobEvent]:
        if message.event not in _KINDS:  # a newer service may tell of more
            return
        try:
            event = _EVENT.validate_json(message.data, extra="ignore")
        except ValidationError as error:
            raise unexpected(answer, "JobEvent", error) from error
        if event.id > self._last_id:
            self._last_id = event.id
            yield event

    def _go_on(
        self, stream: EventStream, broken: httpx.RequestError | None, retry_s: float | None
    ) -> None:
        """Wait before the next stream, or turn to long-poll; raises UnreachableError."""
        self._mute = 0 if stream.heard else self._mute + 1
        kept_back = isinstance(broken, httpx.ReadTimeout) and not stream.heard
        never_made = isinstance(broken, httpx.ConnectError | httpx.ConnectTimeout)
        if kept_back or (self._mute >= MUTE_STREAMS and not never_made):
            self._streams = False
            return
        pause = self._attempts.pause_s(retry_s)
        if pause is None:
            ended = httpx.RemoteProtocolError("the streams of events ended too soon")
            raise self._service.unreachable(broken or ended) from broken
        time.sleep(pause)

    def _polled(self) -> Iterator[JobEvent]:
        """The events of one page, which the service holds back until there is one."""
        asked = time.monotonic()
        answer = self._service.send(
            "GET",
            self._path,
            patient=True,
            held_s=LONG_POLL_S,
            params={"after": self._last_id, "wait": LONG_POLL_S},
            headers={"Accept": "application/json"},
        )
        page = read(EventPage, answer)
        for event in page.items:
            self._last_id = event.id
            yield event
        self._complete = page.complete
        if not page.items and not page.complete and time.monotonic() - asked < IDLE_PAUSE_S:
            time.sleep(IDLE_PAUSE_S)


def _is_stream(answer: httpx.Response) -> bool:
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return answer.is_success and media_type == MEDIA_TYPE
