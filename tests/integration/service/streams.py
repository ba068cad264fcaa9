"""Server-sent events as a browser reads them."""

import threading
from collections.abc import Iterator
from typing import NamedTuple

import httpx
from pydantic import TypeAdapter

from ridgeline.api.events import EpochEvent, JobEvent

ACCEPT = {"Accept": "text/event-stream"}
_EVENT: TypeAdapter[JobEvent] = TypeAdapter(JobEvent)


class Sent(NamedTuple):
    """One event of a stream."""

    event: str
    data: str
    id: str

    def told(self) -> JobEvent:
        """The event's data as the API's model."""
        found = _EVENT.validate_json(self.data)
        assert (found.type, str(found.id)) == (self.event, self.id)
        return found


def sent(lines: Iterator[str]) -> Iterator[Sent]:
    """The events of a stream, without its comments."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "data" in fields:
                yield Sent(fields["event"], fields["data"], fields.get("id", ""))
            fields = {}


def replayed(client: httpx.Client, path: str, **headers: str) -> list[Sent]:
    """All events until the stream closes."""
    with client.stream("GET", path, headers=ACCEPT | headers) as answer:
        assert answer.status_code == 200, answer.read()
        return list(sent(answer.iter_lines()))


class Follower:
    """Reads a stream to its end in a thread."""

    def __init__(self, client: httpx.Client, path: str, **headers: str) -> None:
        self.events: list[Sent] = []
        self.open = threading.Event()
        self._client = client
        self._path = path
        self._headers = ACCEPT | headers
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self.open.wait(10)

    def epochs(self) -> list[int]:
        """The epochs received so far."""
        told = [each.told() for each in self.events if each.event != "end"]
        return [each.row.epoch for each in told if isinstance(each, EpochEvent)]

    def join(self, seconds: float = 20) -> list[Sent]:
        """Wait for the end of the stream; returns its events."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"the stream is open still: {self.events[-3:]}"
        return self.events

    def _read(self) -> None:
        with self._client.stream("GET", self._path, headers=self._headers) as answer:
            self.open.set()
            for each in sent(answer.iter_lines()):
                self.events.append(each)
