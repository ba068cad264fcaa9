"""A job's events, read to the last one from a stream or by long-poll.

Streams are server-sent events, as WHATWG's HTML standard defines them (9.2.6).
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx
from pydantic import TypeAdapter, ValidationError

from ridgeline.api.events import EventPage, JobEvent
from ridgeline.client._http import (
    IDLE_PAUSE_S,
    LONG_POLL_S,
    Backoff,
    Transport,
    job_path,
    read,
    unexpected,
)

MEDIA_TYPE = "text/event-stream"
MAX_LINE_BYTES = 16 * 2**20
"""A longer line cannot come from Ridgeline."""
#: The service sends something every 15 s; a stream that is silent for longer has died, or a proxy
#: buffers it.
SILENCE_S = 20.0
#: A stream that sent something and lasted this long works, even without an event.
LIVELY_S = 1.0
#: After this many consecutive streams that broke without a byte, long-poll takes their place.
MUTE_STREAMS = 2

_EVENT: TypeAdapter[JobEvent] = TypeAdapter(JobEvent)
_KINDS = frozenset({"status", "epoch"})
_END = "end"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class JobEvents:
    """One job's events after the one with the id `after`, each exactly once and in order."""

    def __init__(self, transport: Transport, job_id: str, after: int) -> None:
        self._transport = transport
        self._path = job_path(job_id, "events")
        self._last_id = after
        self._backoff = Backoff(transport.retries, patient=True)
        self._streams = True
        self._mute = 0
        self._complete = False

    def __iter__(self) -> Iterator[JobEvent]:
        """Yield the events as they happen, until the job has ended."""
        while not self._complete:
            yield from self._streamed() if self._streams else self._polled()

    def _streamed(self) -> Iterator[JobEvent]:
        """The events of one stream; when it breaks, decide how to continue."""
        stream = EventStreamParser()
        opened, before = time.monotonic(), self._last_id
        failure: httpx.RequestError | None = None
        try:
            with self._open() as response:
                if not _is_stream(response):
                    self._streams = False  # the long-poll that follows raises the error, if any
                    return
                for message in stream.events(response.iter_bytes()):
                    if message.event == _END:
                        self._complete = True
                        return
                    yield from self._new(message, response)
        except OverlongLine:
            self._streams = False
        except httpx.RequestError as error:
            failure = error
        lively = stream.received_any and time.monotonic() - opened > LIVELY_S
        worked = self._last_id > before or lively
        if worked:
            self._backoff.reset()
        self._recover(stream, failure, None if worked else stream.retry_s)

    def _open(self) -> AbstractContextManager[httpx.Response]:
        headers = {"Accept": MEDIA_TYPE, "Cache-Control": "no-cache"}
        if self._last_id:
            headers["Last-Event-ID"] = str(self._last_id)
        return self._transport.stream("GET", self._path, silence_s=SILENCE_S, headers=headers)

    def _new(self, message: "ServerSentEvent", response: httpx.Response) -> Iterator[JobEvent]:
        if message.event not in _KINDS:  # a newer service may send other kinds
            return
        try:
            event = _EVENT.validate_json(message.data, extra="ignore")
        except ValidationError as error:
            raise unexpected(response, "JobEvent", error) from error
        if event.id > self._last_id:
            self._last_id = event.id
            yield event

    def _recover(
        self,
        stream: "EventStreamParser",
        failure: httpx.RequestError | None,
        retry_s: float | None,
    ) -> None:
        """Wait before the next stream, or switch to long-poll; raises UnreachableError."""
        self._mute = 0 if stream.received_any else self._mute + 1
        buffered = isinstance(failure, httpx.ReadTimeout) and not stream.received_any
        never_connected = isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout)
        if buffered or (self._mute >= MUTE_STREAMS and not never_connected):
            self._streams = False
            return
        pause = self._backoff.pause_s(retry_s)
        if pause is None:
            ended = httpx.RemoteProtocolError("the streams of events ended too soon")
            raise self._transport.unreachable(failure or ended) from failure
        time.sleep(pause)

    def _polled(self) -> Iterator[JobEvent]:
        """The events of one page, which the service holds until there is one."""
        started = time.monotonic()
        response = self._transport.send(
            "GET",
            self._path,
            patient=True,
            held_s=LONG_POLL_S,
            params={"after": self._last_id, "wait": LONG_POLL_S},
            headers={"Accept": "application/json"},
        )
        page = read(EventPage, response)
        for event in page.items:
            self._last_id = event.id
            yield event
        self._complete = page.complete
        if not page.items and not page.complete and time.monotonic() - started < IDLE_PAUSE_S:
            time.sleep(IDLE_PAUSE_S)


def _is_stream(response: httpx.Response) -> bool:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return response.is_success and media_type == MEDIA_TYPE


class OverlongLine(Exception):
    """The response is not a stream of server-sent events."""


@dataclass(frozen=True)
class ServerSentEvent:
    """One event, as it was sent."""

    event: str
    data: str
    id: str
    """Its own id, or else the last one before it."""


class EventStreamParser:
    """Assembles events from the bytes of a stream."""

    def __init__(self) -> None:
        self.received_any = False
        """Whether a line arrived, even if only a comment that keeps the stream alive."""
        self.retry_s: float | None = None
        """How long the server asks clients to wait before they reconnect."""
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def events(self, chunks: Iterable[bytes]) -> Iterator[ServerSentEvent]:
        """Yield each event as soon as its last byte has arrived; a truncated one is dropped."""
        for line in _lines(chunks):
            self.received_any = True
            if line:
                self._read_field(line)
            elif self._data:
                yield ServerSentEvent(self._event or "message", "\n".join(self._data), self._id)
                self._event, self._data = "", []
            else:
                self._event = ""

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_s = int(value) / 1000


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split the bytes at CR, LF or CR LF, and nowhere else.

    (`splitlines` would also break JSON apart at U+2028.)
    """
    partial = bytearray()
    at_start, after_cr = True, False
    for chunk in filter(None, chunks):
        # If a chunk ended between CR and LF, the LF must not end another line.
        rest = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r")
        first, *others = _LINE_END.split(rest)
        partial += first
        if len(partial) > MAX_LINE_BYTES:
            raise OverlongLine(f"a line of more than {MAX_LINE_BYTES} bytes")
        for line in others:
            yield bytes(partial).removeprefix(_BOM) if at_start else bytes(partial)
            at_start = False
            partial = bytearray(line)
