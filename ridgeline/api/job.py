"""A job as GET answers it, and its life's words with it."""

from datetime import datetime

from ridgeline.api.lifecycle import (
    HELD,
    JOB_ID_PATTERN,
    TERMINAL,
    TRANSITIONS,
    EndCode,
    EndReason,
    JobId,
    JobStatus,
    can_become,
)
from ridgeline.planning.advice import Advice
from ridgeline.planning.graph import Parameters
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from ridgeline.spec.schema import Contract

__all__ = [
    "HELD",
    "JOB_ID_PATTERN",
    "TERMINAL",
    "TRANSITIONS",
    "Artifact",
    "EndCode",
    "EndReason",
    "Job",
    "JobId",
    "JobPage",
    "JobStatus",
    "Progress",
    "can_become",
]


class Progress(Contract):
    """How far a job is."""

    epoch: int
    """Epochs finished."""
    epochs: int
    """Epochs asked for."""
    fraction: float
    """epoch / epochs."""
    eta_s: float | None
    """Seconds until the last epoch ends at the present pace; null before the first epoch."""


class Artifact(Contract):
    """A published file."""

    name: str
    bytes: int
    sha256: str
    media_type: str
    href: str


class Job(Contract):
    """A training job as the API answers it."""

    id: JobId
    name: str | None
    status: JobStatus
    reason: EndReason | None
    """Why the job ended; null while it has not."""
    spec: JobSpec
    """The spec as it was posted, normalised: numbers and short forms are spelled out."""
    resolved: JobSpec
    """The same spec with every default, layer name, input, dropout layer and regularizer."""
    penalties: tuple[PenaltyTerm, ...]
    """Every weight penalty the job trains with: its λ, the Keras coefficient, the formula."""
    advice: tuple[Advice, ...]
    progress: Progress
    attempt: int
    """How many times a worker has started it."""
    metrics: dict[str, float | None]
    """The last epoch's values and the test set's; a value that was not finite is null."""
    artifacts: tuple[Artifact, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    tags: tuple[str, ...]


class JobPage(Contract):
    """One page of jobs, newest first."""

    items: tuple[Job, ...]
    next: str | None
    """Cursor for `after`, or null on the last page."""


class Validation(Contract):
    """What POST /jobs/validate answers."""

    resolved: JobSpec
    parameters: Parameters
    memory_bytes: int
    """Estimate of what training takes."""
    penalties: tuple[PenaltyTerm, ...]
    advice: tuple[Advice, ...]
