"""What is said about an attempt while it runs, on its way into the job's log.

A processor in the worker's logging keeps each line that the supervising thread writes. Whatever
goes wrong here costs a line, and never the job.
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict

from ridgeline.api.log import LogLevel, LogSource
from ridgeline.logs import TRANSITIONS, event_text, fields_json, storable
from ridgeline.storage import LogLine
from worker.trainer import messages

_MOST_WAITING = 1000
#: What a stored line has columns for, or its row.
_COLUMNS = frozenset(
    {"event", "level", "timestamp", "logger", "source", "said_at", "job", "attempt", "fence"}
)
_current: ContextVar["Journal | None"] = ContextVar("journal", default=None)

log = structlog.get_logger()


class Journal:
    """The lines about one attempt that are still to be stored. One thread uses it.

    `clean` takes secrets out of a text.
    """

    def __init__(self, clean: Callable[[str], str] = storable) -> None:
        self.clean = clean
        self._waiting: deque[LogLine] = deque(maxlen=_MOST_WAITING)
        self._batch: list[LogLine] = []

    def __bool__(self) -> bool:
        """Whether there are lines to store."""
        return bool(self._batch or self._waiting)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the lines that this thread logs in the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def take(self, event: EventDict) -> None:
        """Keep a line."""
        if event.get("logger") == TRANSITIONS:
            return  # stored with the transition itself
        with suppress(Exception):
            fields = {name: value for name, value in event.items() if name not in _COLUMNS}
            said_at = event.get("said_at") or event["timestamp"]
            line = LogLine(
                at=datetime.fromisoformat(said_at),
                level=LogLevel(event["level"]),
                source=LogSource(event.get("source", LogSource.WORKER)),
                event=event_text(event["event"], self.clean),
                fields=fields_json(fields, self.clean),
            )
            self._waiting.append(line)

    def batch(self) -> list[LogLine]:
        """The lines to store next; the same again until they are settled()."""
        if not self._batch:
            self._batch = list(self._waiting)
            self._waiting.clear()
        return self._batch

    def settled(self) -> None:
        """Forget the batch: it is stored, or never will be."""
        self._batch = []


def keep_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The processor: keep the line in the journal of the attempt that this thread supervises."""
    journal = _current.get()
    if journal is not None:
        journal.take(event)
    return event


def relay(said: messages.LogLine) -> None:
    """Log what the trainer has logged."""
    fields = json.loads(said.fields)
    clear = {name: value for name, value in fields.items() if name not in _COLUMNS}
    said_at = datetime.fromtimestamp(said.at, UTC).isoformat()
    source = LogSource.TRAINER.value
    level = logging.getLevelNamesMapping()[said.level.upper()]
    log.log(level, said.event, source=source, said_at=said_at, **clear)
