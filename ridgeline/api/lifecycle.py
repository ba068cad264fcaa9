"""The lifecycle of a job: its id, its statuses, the table of transitions, why it ended."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ridgeline.spec.schema import Contract

JOB_ID_PATTERN = r"^job_[0-9a-f]{32}$"
JobId = Annotated[str, Field(pattern=JOB_ID_PATTERN)]


class JobStatus(StrEnum):
    """The status of a job."""

    QUEUED = "queued"  #: stored, waiting for a worker
    RUNNING = "running"  #: a worker holds the lease
    CANCELLING = "cancelling"  #: running, asked to stop
    PAUSING = "pausing"  #: running, asked to write a checkpoint and release the slot
    PAUSED = "paused"  #: holds no slot; resumes from its checkpoint
    SUCCEEDED = "succeeded"  #: trained, artifacts published
    FAILED = "failed"  #: ended without artifacts; `reason` says why
    CANCELLED = "cancelled"  #: ended because a user asked

    @property
    def terminal(self) -> bool:
        """Whether the job has ended; its row never changes again."""
        return self in TERMINAL

    @property
    def held(self) -> bool:
        """Whether a worker holds the job's lease."""
        return self in HELD


TERMINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})
HELD = frozenset({JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.PAUSING})
#: Every allowed transition. No other one ever happens.
TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(
        {JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.CANCELLED, JobStatus.FAILED}
    ),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.QUEUED,
            JobStatus.CANCELLING,
            JobStatus.PAUSING,
            JobStatus.SUCCEEDED,
            JobStatus.FAILED,
        }
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.PAUSING: frozenset(
        {
            JobStatus.PAUSED,
            JobStatus.RUNNING,
            JobStatus.CANCELLING,
            JobStatus.SUCCEEDED,
            JobStatus.FAILED,
        }
    ),
    JobStatus.PAUSED: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


def can_become(before: JobStatus, after: JobStatus) -> bool:
    """Whether the table of transitions allows `before` → `after`."""
    return after in TRANSITIONS[before]


class EndCode(StrEnum):
    """Why a job ended, for programs."""

    COMPLETED = "completed"  #: trained: all epochs ran, or early stopping ended it; `detail` says
    CANCELLED_BY_USER = "cancelled_by_user"
    DIVERGED = "diverged"  #: a loss became NaN or infinite
    DEADLINE_EXCEEDED = "deadline_exceeded"
    OUT_OF_MEMORY = "out_of_memory"
    NO_SPACE = "no_space"  #: the worker's disk is full
    DATA_UNAVAILABLE = "data_unavailable"
    EXPORT_FAILED = "export_failed"  #: trained, but no requested file holds the model
    INVALID_SPEC = "invalid_spec"  #: accepted by the service, rejected by Keras
    CRASH_LOOP = "crash_loop"  #: the process of every attempt died
    INTERNAL_ERROR = "internal_error"  #: a bug in Ridgeline


class EndReason(Contract):
    """Why a job ended: a code for programs and a sentence for people."""

    code: EndCode
    detail: Annotated[str, Field(max_length=2000)]
