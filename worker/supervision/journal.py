"""The log lines of a running attempt, on their way into the job's log without any secret.

A logging processor keeps each line that the supervising thread writes. An error here costs a line,
never the job.
"""

import json
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict

from ridgeline.api.log import LogLevel, LogSource
from ridgeline.logs import TRANSITIONS, event_text, fields_json, storable
from ridgeline.storage import LogLine
from ridgeline.storage.settings import StorageSettings
from worker.trainer.messages import LogMessage

HIDDEN = "***"
_MAX_WAITING = 1000
_MIN_SECRET = 4
"""A shorter password hides nothing, and replacing it would garble every text."""
_SECRET_NAME = re.compile("PASSWORD|SECRET|TOKEN", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")
#: What a stored line or its row has columns for.
_COLUMNS = frozenset(
    {"event", "level", "timestamp", "logger", "source", "said_at", "job", "attempt", "fence"}
)
_current: ContextVar["Journal | None"] = ContextVar("journal", default=None)

log = structlog.get_logger()


class Journal:
    """The lines about one attempt that are not stored yet; used by one thread.

    `clean` removes secrets from a text.
    """

    def __init__(self, clean: Callable[[str], str] = storable) -> None:
        self.clean = clean
        self._waiting: deque[LogLine] = deque(maxlen=_MAX_WAITING)
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

    def add(self, event: EventDict) -> None:
        """Keep a line."""
        if event.get("logger") == TRANSITIONS:
            return  # stored with the transition itself
        with suppress(Exception):
            fields = {name: value for name, value in event.items() if name not in _COLUMNS}
            logged_at = event.get("said_at") or event["timestamp"]
            line = LogLine(
                at=datetime.fromisoformat(logged_at),
                level=LogLevel(event["level"]),
                source=LogSource(event.get("source", LogSource.WORKER)),
                event=event_text(event["event"], self.clean),
                fields=fields_json(fields, self.clean),
            )
            self._waiting.append(line)

    def batch(self) -> list[LogLine]:
        """The lines to store next; the same list until settled() is called."""
        if not self._batch:
            self._batch = list(self._waiting)
            self._waiting.clear()
        return self._batch

    def settled(self) -> None:
        """Drop the batch: it is stored, or never will be."""
        self._batch = []


def keep_line(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The processor: keep the line in the journal of the attempt that this thread supervises."""
    journal = _current.get()
    if journal is not None:
        journal.add(event)
    return event


def relay(message: LogMessage) -> None:
    """Log what the trainer has logged."""
    fields = json.loads(message.fields)
    extra = {name: value for name, value in fields.items() if name not in _COLUMNS}
    logged_at = datetime.fromtimestamp(message.at, UTC).isoformat()
    source = LogSource.TRAINER.value
    level = logging.getLevelNamesMapping()[message.level.upper()]
    log.log(level, message.event, source=source, said_at=logged_at, **extra)


class Redaction:
    """Replaces the secrets of `settings` and of the environment, and the credentials in any URL."""

    def __init__(self, settings: StorageSettings) -> None:
        parts = {part for secret in _secrets(settings) for part in _secret_parts(secret)}
        # The longest first: it may contain another.
        words = sorted((part for part in parts if len(part) >= _MIN_SECRET), key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, words))) if words else None

    def __call__(self, text: str) -> str:
        """`text` without secrets, and as it can be stored."""
        clear = storable(text)
        if self._words is not None:
            clear = self._words.sub(HIDDEN, clear)
        return _IN_URL.sub(HIDDEN, clear)


def _secrets(settings: StorageSettings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
    yield from (value for name, value in os.environ.items() if _SECRET_NAME.search(name))


def _secret_parts(secret: str) -> Iterator[str]:
    """What to hide: of a URL only its password, for the rest may be an ordinary path."""
    if "://" not in secret:
        yield secret
        return
    password = urlsplit(secret).password
    if password:
        yield from (password, unquote(password))
