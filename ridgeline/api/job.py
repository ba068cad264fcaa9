"""A job as the API returns it, with the names of its lifecycle."""

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
    """How far training has come."""

    epoch: int
    """Finished epochs."""
    epochs: int
    """Requested epochs."""
    fraction: float
    """epoch / epochs."""
    eta_s: float | None
    """Estimated seconds to the end of the last epoch; null before the first epoch."""


class Artifact(Contract):
    """A published file."""

    name: str
    bytes: int
    sha256: str
    media_type: str
    href: str


class Job(Contract):
    """A training job."""

    id: JobId
    name: str | None
    status: JobStatus
    reason: EndReason | None
    """Why the job ended; null until it has."""
    spec: JobSpec
    """The spec as posted, normalized: short forms are expanded."""
    resolved: JobSpec
    """The spec with every default, layer name, input, dropout layer and regularizer filled in."""
    penalties: tuple[PenaltyTerm, ...]
    """Every penalty the job trains with: its λ, the Keras coefficient, the formula."""
    advice: tuple[Advice, ...]
    """Remarks on the spec; after training also one, `output-refused`, for each output that was not
    published, since no file of it predicted what the model does."""
    progress: Progress
    attempt: int
    """How many times a worker has started the job."""
    metrics: dict[str, float | None]
    """Values of the epoch whose weights were kept, by default the last, and on the test set; null
    where not finite. The report's `kept_epoch` says which one; until the job ends, the last so far.
    """
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
    """The result of validating a spec with POST /jobs/validate."""

    resolved: JobSpec
    parameters: Parameters
    memory_bytes: int
    """Estimated memory for training."""
    penalties: tuple[PenaltyTerm, ...]
    advice: tuple[Advice, ...]
