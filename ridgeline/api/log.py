"""A job's log, as the API returns it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from ridgeline.spec.schema import Contract


class LogLevel(StrEnum):
    """Severity of a line, in ascending order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def and_above(self) -> tuple["LogLevel", ...]:
        """This level and the more severe ones."""
        levels = tuple(LogLevel)
        return levels[levels.index(self) :]


class LogSource(StrEnum):
    """Who wrote a line."""

    JOB = "job"  #: the service, for a change of the job's status
    WORKER = "worker"  #: the worker that runs the attempt
    TRAINER = "trainer"  #: the process that trains
    STDERR = "stderr"  #: the trainer's standard error: native libraries, crashes


class LogEntry(Contract):
    """A line of a job's log."""

    id: Annotated[int, Field(ge=1)]
    """Increases with every line of the job."""
    at: datetime
    attempt: int
    fence: int
    level: LogLevel
    source: LogSource
    event: str
    fields: dict[str, JsonValue]
    """The event's data; for a `transition` its `before`, `after` and `reason`."""


class LogPage(Contract):
    """A page of a job's log, oldest line first."""

    items: tuple[LogEntry, ...]
    next: int | None
    """Cursor for `after`; null if there are no more lines yet."""
    dropped: int
    """How many of the oldest lines were deleted because the log became too long."""
