"""A job's log, as GET answers it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from ridgeline.spec.schema import Contract


class LogLevel(StrEnum):
    """How much a line matters, the least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def and_above(self) -> tuple["LogLevel", ...]:
        """This level and those that matter more."""
        levels = tuple(LogLevel)
        return levels[levels.index(self) :]


class LogSource(StrEnum):
    """Who wrote a line."""

    JOB = "job"  #: the service's records: a change of the job's status
    WORKER = "worker"  #: the worker that runs the attempt
    TRAINER = "trainer"  #: the process that trains
    STDERR = "stderr"  #: the same, past any logger: native libraries, the last words of a crash


class LogEntry(Contract):
    """A line of a job's log."""

    id: Annotated[int, Field(ge=1)]
    """Counts the job's lines; a later line has a higher one."""
    at: datetime
    attempt: int
    fence: int
    level: LogLevel
    source: LogSource
    event: str
    fields: dict[str, JsonValue]
    """What else the line says; of a `transition` its `before`, `after` and `reason`."""


class LogPage(Contract):
    """Some lines of a job's log, oldest first."""

    items: tuple[LogEntry, ...]
    next: int | None
    """Cursor for `after`, or null where these are the last lines so far."""
    dropped: int
    """How many of the job's oldest lines are gone, for the log had become too long."""
