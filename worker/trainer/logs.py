"""Logs: JSON lines of the worker, a trainer's lines over the pipe, and a trainer's standard error.

Native code bypasses any logger and writes to file descriptor 2, which leads to a file.
"""

import faulthandler
import logging
import os
import re
import select
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from ridgeline import logs
from ridgeline.api.log import LogLevel
from ridgeline.logs import event_text, fields_json
from worker.trainer.messages import LogMessage

#: Celery logs every message it receives, which the supervisor logs with the job's id. The converter
#: to ONNX logs every weight.
CHATTY = (
    "celery.app.trace",
    "celery.worker.consumer.connection",
    "celery.worker.strategy",
    "tf2onnx",
)
#: Celery warns of every lost connection; ReconnectingConsumer logs them less often.
LOGGED_ELSEWHERE = "celery.worker.consumer.consumer"
MAX_STDERR_BYTES = 2**20
"""The size from which the file is truncated."""
TAIL_BYTES = 4 * 2**10
_READ_BYTES = 16 * 2**10
"""How much of the file's end is read: after a crash, the list of extension modules takes 6 KiB."""
_BURST = 200
_PER_S = 50.0
_STDERR = "stderr.log"
_NO_DRIVER = re.compile(rb"^.*failed call to cuInit: .*\(303\)\n?", re.MULTILINE)
"""TensorFlow's line on a machine without CUDA's driver, which looks like the cause of a crash."""
_MODULES = re.compile(rb"^Extension modules: .*\n?", re.MULTILINE)
"""The last line of faulthandler's output, which says nothing about the crash."""

Send = Callable[[LogMessage], None]


def configure_logs(keep: Processor | None = None) -> None:
    """Write all logs to standard error as JSON lines; `keep` sees every line first.

    For the worker, and for its trainers until they have a supervisor to send lines to.
    """
    logs.configure_logs(keep, CHATTY)
    logging.getLogger(LOGGED_ELSEWHERE).setLevel(logging.ERROR)


def log_to(send: Send, limiter: "LineLimiter") -> None:
    """From now on, send this process's log lines and warnings as messages."""

    def send_line(level: str, event: object, fields: EventDict) -> None:
        if not limiter.allow():
            return
        if dropped := limiter.dropped():
            fields = {**fields, "lines_dropped_before": dropped}
        known = LogLevel(level) if level in set(LogLevel) else LogLevel.INFO
        with suppress(Exception):  # an object may fail to convert itself to text
            text, rest = event_text(event), fields_json(fields)
            send(LogMessage(at=time.time(), level=known, event=text, fields=rest))

    def send_event(_logger: object, _method: str, event: EventDict) -> Any:
        fields = {name: value for name, value in event.items() if name not in ("event", "level")}
        send_line(event["level"], event["event"], fields)
        raise structlog.DropEvent

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            send_event,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.INFO, handlers=[PipeHandler(send_line)], force=True)
    logging.captureWarnings(capture=True)


class LineLimiter:
    """Limits lines to 200 at once and 50 a second, so they neither fill the log nor slow training.

    `fileno` is the pipe's: a line is also dropped while the supervisor is slow to read.
    """

    def __init__(self, fileno: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(_BURST)
        self._last = clock()
        self._dropped = 0
        self._poll = select.poll()
        self._poll.register(fileno, select.POLLOUT)

    def allow(self) -> bool:
        """Whether the next line may be sent."""
        now = self._clock()
        self._left = min(_BURST, self._left + (now - self._last) * _PER_S)
        self._last = now
        if self._left < 1 or not self._poll.poll(0):
            self._dropped += 1
            return False
        self._left -= 1
        return True

    def dropped(self) -> int:
        """How many lines were dropped since the last call."""
        count, self._dropped = self._dropped, 0
        return count


class PipeHandler(logging.Handler):
    """Sends what libraries log."""

    def __init__(self, send_line: Callable[[str, object, EventDict], None]) -> None:
        super().__init__()
        self._send_line = send_line

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            fields: EventDict = {"logger_name": record.name}
            if record.exc_info:
                fields["exception"] = logging.Formatter().formatException(record.exc_info)
            self._send_line(record.levelname.lower(), record.getMessage().rstrip(), fields)
        except Exception:  # noqa: BLE001 - as in logging: a bad record must not stop training
            self.handleError(record)


def redirect_stderr(workdir: Path) -> None:
    """Send this process's standard error to a file in `workdir`, with a traceback of any crash."""
    with suppress(OSError):  # on a full disk, say, standard error stays as it is
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(workdir / _STDERR, flags, 0o600)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    faulthandler.enable(2, all_threads=False)


class StderrFile:
    """That file as the supervisor sees it."""

    def __init__(self, workdir: Path) -> None:
        self._path = workdir / _STDERR
        self._before = b""

    def keep_short(self) -> None:
        """Truncate the file if it has become too long, but remember its end."""
        with suppress(OSError):
            if self._path.stat().st_size > MAX_STDERR_BYTES:
                self._before = self._end()
                os.truncate(self._path, 0)

    def take_tail(self) -> str:
        """The end of what was written; removes the file, so call it when the trainer is gone."""
        written = self._before
        with suppress(OSError):
            written += self._end()
            self._path.unlink()
        tail = _MODULES.sub(b"", _NO_DRIVER.sub(b"", written))[-TAIL_BYTES:]
        return tail.decode("utf-8", "replace").strip()

    def _end(self) -> bytes:
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - _READ_BYTES))
            return file.read(_READ_BYTES)
