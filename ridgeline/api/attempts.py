"""The attempts at a job, as the API returns them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ridgeline.spec.schema import Contract


class AttemptOutcome(StrEnum):
    """How an attempt ended, or that it runs; an attempt that ended its job has the job's code."""

    RUNNING = "running"  #: has not ended
    DRAINED = "drained"  #: its worker released the job to shut down; another attempt resumes it
    PAUSED = "paused"  #: its worker released the job because a user paused it
    CRASHED = "crashed"  #: the trainer process died
    LEASE_EXPIRED = "lease_expired"  #: its worker sent no heartbeat until the lease ran out
    COMPLETED = "completed"
    CANCELLED_BY_USER = "cancelled_by_user"
    DIVERGED = "diverged"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    OUT_OF_MEMORY = "out_of_memory"
    NO_SPACE = "no_space"
    DATA_UNAVAILABLE = "data_unavailable"
    EXPORT_FAILED = "export_failed"
    INVALID_SPEC = "invalid_spec"
    CRASH_LOOP = "crash_loop"
    INTERNAL_ERROR = "internal_error"


class Attempt(Contract):
    """One try at a job: from the moment a worker takes the job until it ends or releases it."""

    number: Annotated[int, Field(ge=1)]
    """Counts the job's attempts from 1."""
    worker: str
    """The id of the worker that runs or ran it, as GET /workers lists it."""
    started_at: datetime
    ended_at: datetime | None
    """Null while the attempt runs."""
    outcome: AttemptOutcome
    """`running` until the attempt has ended."""
    exit_code: int | None
    """The trainer process's exit code; null where it did not exit by itself."""
    signal: str | None
    """The signal that killed the trainer process, such as `SIGKILL`; null where none did."""
    reason: str | None
    """A sentence on how it ended, where more is known than `outcome` says."""
    epochs: Annotated[int, Field(ge=0)]
    """How many epochs of the curves it measured: those that no later attempt measured again."""


class JobAttempts(Contract):
    """Every attempt at a job, oldest first."""

    attempts: tuple[Attempt, ...]
    """Empty while no worker has taken the job."""
