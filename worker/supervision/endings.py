"""The ways in which an attempt's trainer can end."""

from dataclasses import dataclass

from ridgeline.api.job import EndReason
from ridgeline.api.report import Report
from ridgeline.storage import AttemptExit
from worker.trainer.messages import Finished


@dataclass(frozen=True)
class Completed:
    """It has trained the model; the files wait to be published."""

    result: Finished


@dataclass(frozen=True)
class Refused:
    """It has said why the job cannot succeed."""

    reason: EndReason
    report: Report | None = None


@dataclass(frozen=True)
class Cancelled:
    """Somebody asked to cancel the job."""


@dataclass(frozen=True)
class Paused:
    """Somebody asked to pause the job; its checkpoint is written."""


@dataclass(frozen=True)
class Drained:
    """This worker shuts down."""


@dataclass(frozen=True)
class Overdue:
    """The job's deadline has passed."""


@dataclass(frozen=True)
class Hung:
    """It has not come further for too long."""

    seconds: float
    phase: str | None


@dataclass(frozen=True)
class Crashed:
    """The process died without a last word."""

    exit: AttemptExit


@dataclass(frozen=True)
class Lost:
    """Another worker holds the job, or the database was away for so long that one may."""


Ending = Completed | Refused | Cancelled | Paused | Drained | Overdue | Hung | Crashed | Lost
ENDS_THE_JOB = Completed | Refused | Cancelled | Overdue
"""Those after which no other attempt goes on from this one's checkpoints."""
