"""Reads server-sent events, as WHATWG's HTML standard defines them (9.2.6)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MEDIA_TYPE = "text/event-stream"
MAX_LINE_BYTES = 16 * 2**20
"""What is longer comes from something else than Ridgeline."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class OverlongLine(Exception):
    """The stream is none of server-sent events."""


@dataclass(frozen=True)
class ServerSentEvent:
    """One event, as it was sent."""

    event: str
    data: str
    id: str
    """Its own, or else the last one before it."""


class EventStream:
    """Puts events together from the bytes of a stream."""

    def __init__(self) -> None:
        self.heard = False
        """Whether anything came at all, if only the sign that the stream is alive."""
        self.retry_s: float | None = None
        """How long the server asks to wait before the stream is opened again."""
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def events(self, chunks: Iterable[bytes]) -> Iterator[ServerSentEvent]:
        """Each event as soon as its last byte has come; one that is cut short is dropped."""
        for line in _lines(chunks):
            self.heard = True
            if line:
                self._take(line)
            elif self._data:
                yield ServerSentEvent(self._event or "message", "\n".join(self._data), self._id)
                self._event, self._data = "", []
            else:
                self._event = ""

    def _take(self, line: bytes) -> None:
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
    """The lines without their ends, which are CR, LF or both, and nothing else.

    (`splitlines` would also break JSON apart at U+2028.)
    """
    begun = bytearray()
    at_start, after_cr = True, False
    for chunk in filter(None, chunks):
        # The LF of a CR LF that was cut in two ends no line of its own.
        fresh = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r")
        first, *others = _LINE_END.split(fresh)
        begun += first
        if len(begun) > MAX_LINE_BYTES:
            raise OverlongLine(f"a line of more than {MAX_LINE_BYTES} bytes")
        for line in others:
            yield bytes(begun).removeprefix(_BOM) if at_start else bytes(begun)
            at_start = False
            begun = bytearray(line)
