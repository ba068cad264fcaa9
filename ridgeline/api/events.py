"""A job's events: changes of status and finished epochs."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndReason, JobStatus
from ridgeline.spec.schema import Contract


class _Event(Contract):
    id: Annotated[int, Field(ge=1)]
    """Increases with every event. Send the last one as `Last-Event-ID` to resume after it."""
    at: datetime
    attempt: int


class StatusEvent(_Event):
    """The job's status changed, or the job was created (`before` is null)."""

    type: Literal["status"] = "status"
    before: JobStatus | None
    after: JobStatus
    reason: EndReason | None
    """Why the job ended; null until it has."""


class EpochEvent(_Event):
    """An epoch finished. A resumed attempt may report an epoch again; the latest event counts."""

    type: Literal["epoch"] = "epoch"
    row: EpochRow


JobEvent = Annotated[StatusEvent | EpochEvent, Field(discriminator="type")]


class EventPage(Contract):
    """A page of a job's events, oldest first."""

    items: tuple[JobEvent, ...]
    last_id: int
    """Id of the newest event of the page, or the request's own `after` if the page is empty. Pass
    it as `after` in the next request."""
    complete: bool
    """Whether the job has ended and no event follows this page."""
