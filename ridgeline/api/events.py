"""What happens to a job, as a stream of events."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason, JobStatus
from ridgeline.spec.schema import Contract


class _Event(Contract):
    id: Annotated[int, Field(ge=1)]
    """A later event has a higher one; send the last one as `Last-Event-ID` to go on behind it."""
    at: datetime
    attempt: int


class StatusEvent(_Event):
    """The job's status has changed, or the job was created (`before` is null)."""

    type: Literal["status"] = "status"
    before: JobStatus | None
    after: JobStatus
    reason: EndReason | None
    """Why the job ended; null while it has not."""


class EpochEvent(_Event):
    """An epoch has ended. A resumed attempt may tell of an epoch again: the last one stands."""

    type: Literal["epoch"] = "epoch"
    row: EpochRow


JobEvent = Annotated[StatusEvent | EpochEvent, Field(discriminator="type")]


class EventPage(Contract):
    """Some of a job's events, oldest first."""

    items: tuple[JobEvent, ...]
    last_id: int
    """Of the newest event among these, else what was asked for: `after` of the next request."""
    complete: bool
    """Whether the job has ended and these are its last events: none will come after them."""
