"""The trainer's logs: every line goes over the pipe to the supervisor, and no line stops training.

What native code writes goes past any logger, to the file descriptor; see worker.trainer.stderr.
"""

import logging
import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict

from ridgeline.api.log import LogLevel
from ridgeline.logs import event_text, fields_json
from worker.trainer.messages import LogLine

_BURST = 200
_PER_S = 50.0

Send = Callable[[LogLine], None]


class Faucet:
    """Lets so many lines through that they neither fill the log nor hold up training.

    `fileno` is the pipe's: a line is dropped when the supervisor is behind with reading.
    """

    def __init__(self, fileno: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(_BURST)
        self._last = clock()
        self._dropped = 0
        self._poll = select.poll()
        self._poll.register(fileno, select.POLLOUT)

    def open(self) -> bool:
        """Whether a line may go."""
        now = self._clock()
        self._left = min(_BURST, self._left + (now - self._last) * _PER_S)
        self._last = now
        if self._left < 1 or not self._poll.poll(0):
            self._dropped += 1
            return False
        self._left -= 1
        return True

    def dropped(self) -> int:
        """How many lines were dropped since this was asked last."""
        count, self._dropped = self._dropped, 0
        return count


class PipeHandler(logging.Handler):
    """Sends what libraries log."""

    def __init__(self, say: Callable[[str, object, EventDict], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            fields: EventDict = {"logger_name": record.name}
            if record.exc_info:
                fields["exception"] = logging.Formatter().formatException(record.exc_info)
            self._say(record.levelname.lower(), record.getMessage().rstrip(), fields)
        except Exception:  # noqa: BLE001 - as in logging: a bad record must not stop training
            self.handleError(record)


def log_to(send: Send, faucet: Faucet) -> None:
    """Send from now on what this process logs, and its warnings, as lines."""

    def say(level: str, event: object, fields: EventDict) -> None:
        if not faucet.open():
            return
        if dropped := faucet.dropped():
            fields = {**fields, "lines_dropped_before": dropped}
        known = LogLevel(level) if level in set(LogLevel) else LogLevel.INFO
        with suppress(Exception):  # what is logged may fail when it is asked for its text
            text, rest = event_text(event), fields_json(fields)
            send(LogLine(at=time.time(), level=known, event=text, fields=rest))

    def say_event(_logger: object, _method: str, event: EventDict) -> Any:
        fields = {name: value for name, value in event.items() if name not in ("event", "level")}
        say(event["level"], event["event"], fields)
        raise structlog.DropEvent

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            say_event,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.INFO, handlers=[PipeHandler(say)], force=True)
    logging.captureWarnings(capture=True)
