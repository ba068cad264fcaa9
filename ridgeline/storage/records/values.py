"""The plain immutable values that the stores take and return."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from signal import Signals
from typing import NamedTuple

from ridgeline.api.lifecycle import JobStatus
from ridgeline.api.log import LogLevel, LogSource
from ridgeline.api.worker import WorkerState


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be stored. Specs are JSON text that the storage does not parse."""

    spec: str
    """The spec as it was posted."""
    resolved: str
    """The spec with all defaults filled in, as the worker trains it."""
    epochs: int
    """Epochs asked for."""
    name: str | None = None
    tags: tuple[str, ...] = ()
    penalties: str = "[]"
    advice: str = "[]"
    deadline_s: float | None = None
    """Seconds from the first claim to the deadline; None for no deadline."""
    dataset_id: str | None = None
    """The stored data set that it trains on, which cannot be deleted until the job has ended."""


@dataclass(frozen=True, kw_only=True)
class ArtifactRecord:
    """A published file of a job."""

    name: str
    key: str
    """Its key in the artifact store."""
    bytes: int
    sha256: str
    media_type: str
    xxh3: str | None = None
    """XXH3 of the file, to check downloads by; None for a file of an earlier release."""


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job as it is stored, in one consistent snapshot."""

    id: str
    version: int
    """Grows with every change to this record."""
    name: str | None
    tags: tuple[str, ...]
    spec: str
    resolved: str
    penalties: str
    advice: str
    epochs: int
    """Epochs asked for."""
    status: JobStatus
    reason_code: str | None
    """An EndCode once the job has ended, else None."""
    reason_detail: str | None
    metrics: str
    """A JSON object of finite numbers and nulls."""
    available_at: datetime
    """When workers may claim the job at the earliest."""
    attempt: int
    crash_count: int
    drain_count: int
    checkpoint_epoch: int
    """The highest epoch of which a checkpoint was written."""
    checkpoint_crashes: int
    """`crash_count` when that checkpoint was written; only later crashes count towards the cap."""
    fence: int
    lease_owner: str | None
    lease_expires_at: datetime | None
    progress_epoch: int
    """Epochs finished, including those that the current attempt resumed from."""
    progress_at: datetime | None
    eta_s: float | None
    deadline_s: float | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    paused_at: datetime | None
    """When it was paused; the pause does not count towards its deadline."""
    last_dispatched_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    artifacts: tuple[ArtifactRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LockedJob:
    """The part of a job that decides on its next transition, locked until the transaction ends."""

    id: str
    status: JobStatus
    attempt: int
    fence: int
    crash_count: int
    drain_count: int
    checkpoint_crashes: int


class Idempotency(NamedTuple):
    """A client's key for one POST, and the hash of the body sent with it."""

    key: str
    body_sha256: str


class Created(NamedTuple):
    """The result of creating a job."""

    record: JobRecord
    replayed: bool
    """Whether the idempotency key had created the job before."""
    outbox_id: int | None
    """The hint to pass to Outbox.mark_dispatched() once it is sent; None for a replay."""


class Page(NamedTuple):
    """Some jobs, newest first."""

    records: tuple[JobRecord, ...]
    next_after: str | None
    """The id to pass as `after` for the next page; None on the last."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A worker's right to write one attempt of a job, valid while its fence is the newest."""

    job_id: str
    attempt: int
    fence: int
    owner: str
    resolved: str
    deadline_at: datetime | None
    remaining_s: float | None
    """Seconds from the claim to the deadline, by the database's clock; may be negative."""


class HeartbeatAnswer(NamedTuple):
    """The reply to a worker that still holds its job."""

    status: JobStatus


class AttemptReason(StrEnum):
    """Why an attempt ended that did not end its job; one that did has the job's EndCode."""

    DRAINED = "drained"  #: the worker released the job to shut down
    PAUSED = "paused"  #: the worker released the job on request
    CRASHED = "crashed"  #: the trainer process died
    LEASE_EXPIRED = "lease_expired"  #: the worker stopped sending heartbeats
    DEADLINE_EXCEEDED = "deadline_exceeded"  #: the worker did not end it in time


@dataclass(frozen=True, kw_only=True)
class AttemptExit:
    """How an attempt ended, as far as known."""

    code: int | None = None
    """The exit code of the trainer's process."""
    signal: int | None = None
    """The signal that killed it."""
    detail: str | None = None
    """A sentence for people."""
    reason: str | None = None
    """An AttemptReason, set by the storage; None stands for the job's own EndCode."""
    publish_failed: bool = False
    """Whether its files could not be published."""


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """One attempt at a job: from its claim by a worker to the end of that claim."""

    number: int
    """Counts the job's attempts from 1."""
    fence: int
    worker_id: str
    """The worker that made it, as in WorkerRecord.id."""
    started_at: datetime
    ended_at: datetime | None
    """None while it runs."""
    outcome: str | None
    """An EndCode if it ended the job, else an AttemptReason; None while it runs."""
    exit_code: int | None
    """The exit code of the trainer, if it exited by itself."""
    exit_signal: int | None
    """The number of the signal that killed the trainer."""
    reason: str | None
    """A sentence on how it ended, if more is known than its outcome."""
    epochs: int
    """How many epochs of the job's curve it measured: those that no later attempt replaced."""

    @property
    def signal(self) -> str | None:
        """The name, such as SIGKILL, of the signal that killed the trainer."""
        return None if self.exit_signal is None else signal_name(self.exit_signal)


def signal_name(number: int) -> str:
    """The name of a signal, or its number where it has none."""
    try:
        return Signals(number).name
    except ValueError:
        return str(number)


class Tally(StrEnum):
    """What is counted, in the transaction that does it. The labels depend on the count."""

    ATTEMPTS_STARTED = "attempts_started"
    ATTEMPTS_ENDED = "attempts_ended"  #: by AttemptReason or EndCode
    JOBS_ENDED = "jobs_ended"  #: by EndCode
    PUBLISH_FAILURES = "publish_failures"
    DATASETS_STORED = "datasets_stored"
    EPOCH_SECONDS = "epoch_seconds"  #: epochs by bucket of the histogram
    EPOCH_SECONDS_SUM = "epoch_seconds_sum"


class EventType(StrEnum):
    """What an event reports."""

    STATUS = "status"  #: a transition; the payload is `{}` or the EndReason
    EPOCH = "epoch"  #: an epoch; the payload is the EpochRow


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """Something that happened to a job; later events have higher ids."""

    id: int
    type: EventType
    attempt: int
    fence: int
    before: JobStatus | None
    """The status before a transition; None for a new job and for an epoch."""
    after: JobStatus | None
    payload: str = field(repr=False)
    created_at: datetime


class EventRecords(NamedTuple):
    """Some of a job's events, oldest first, and the state of the job at the same moment."""

    records: tuple[EventRecord, ...]
    newest: int
    """The id of the job's newest event."""
    version: int
    ended: bool
    """Whether the job had ended: then `newest` is its last."""


class LogLine(NamedTuple):
    """A line to be added to a job's log; its texts have passed ridgeline.logs.storable()."""

    at: datetime
    level: LogLevel
    source: LogSource
    event: str
    fields: str
    """A JSON object."""


class LogRecord(NamedTuple):
    """A stored line of a job's log."""

    number: int
    """Counts the lines of the job from 1."""
    at: datetime
    attempt: int
    fence: int
    level: str
    source: str
    event: str
    fields: str
    """A JSON object."""


class LogRecords(NamedTuple):
    """Some lines of a job's log, oldest first."""

    records: tuple[LogRecord, ...]
    next_after: int | None
    """The number to pass as `after` for the next lines; None if there are none yet."""
    dropped: int
    """How many of its oldest lines the log has dropped."""


@dataclass(frozen=True, kw_only=True)
class NewWorker:
    """A worker that has started."""

    id: str
    """Its name as the owner of leases."""
    host: str
    pid: int
    slots: tuple[str, ...]
    version: str


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """A worker, as it last reported itself."""

    id: str
    host: str
    pid: int
    slots: tuple[str, ...]
    state: WorkerState
    version: str
    started_at: datetime
    seen_at: datetime
    jobs: tuple[str, ...] = ()
    """The ids of the jobs that it holds."""


class TrackedJob(NamedTuple):
    """A job of which an MLflow server does not have everything yet."""

    job_id: str
    experiment: str
    """The experiment in which its run is, or will be created."""
    run_id: str | None
    """Its run, once that is recorded."""
    last_event: int
    """The newest of the job's events that the server has."""


class Hint(NamedTuple):
    """A message to send to the broker: the job can be claimed."""

    outbox_id: int
    job_id: str


class Reaped(NamedTuple):
    """A job that the reaper took from a worker, and its new status."""

    job_id: str
    status: JobStatus
