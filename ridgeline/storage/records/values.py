"""What goes into the storage and what comes out: plain immutable values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ridgeline.api.lifecycle import JobStatus
from ridgeline.api.log import LogLevel, LogSource
from ridgeline.api.worker import WorkerState


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be stored. Specs are JSON text: the storage does not read them."""

    spec: str
    """The spec as it was posted."""
    resolved: str
    """The spec with every default spelled out: what the worker trains."""
    epochs: int
    """Epochs asked for."""
    name: str | None = None
    tags: tuple[str, ...] = ()
    penalties: str = "[]"
    advice: str = "[]"
    deadline_s: float | None = None
    """Seconds from the first claim to the deadline; None for no deadline."""
    dataset_id: str | None = None
    """The uploaded data set that it trains on, which then stays until the job has ended."""


@dataclass(frozen=True, kw_only=True)
class ArtifactRecord:
    """A published file of a job."""

    name: str
    key: str
    """Where the artifact store keeps it."""
    bytes: int
    sha256: str
    media_type: str
    xxh3: str | None = None
    """What a download is checked by; None for a file of an earlier release."""


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job as it is stored, in one consistent snapshot."""

    id: str
    version: int
    """Grows with every change that is visible here."""
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
    """No worker may claim the job before."""
    attempt: int
    crash_count: int
    drain_count: int
    fence: int
    lease_owner: str | None
    lease_expires_at: datetime | None
    progress_epoch: int
    """Epochs finished, those that the current attempt goes on from included."""
    progress_at: datetime | None
    eta_s: float | None
    deadline_s: float | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    paused_at: datetime | None
    """Since when the job is paused; that time does not count towards its deadline."""
    last_dispatched_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    artifacts: tuple[ArtifactRecord, ...]


class Idempotency(NamedTuple):
    """A client's key for one POST, and the hash of the body it came with."""

    key: str
    body_sha256: str


class Created(NamedTuple):
    """The answer to a create."""

    record: JobRecord
    replayed: bool
    """Whether the idempotency key had created the job before."""
    outbox_id: int | None
    """What to pass to Outbox.mark_dispatched() once the hint was sent; None for a replay."""


class Page(NamedTuple):
    """Some jobs, newest first."""

    records: tuple[JobRecord, ...]
    next_after: str | None
    """The id to pass as `after` for the next page; None on the last."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A worker's right to write one attempt of a job, for as long as its fence is the newest."""

    job_id: str
    attempt: int
    fence: int
    owner: str
    resolved: str
    deadline_at: datetime | None
    remaining_s: float | None
    """Seconds from the claim to the deadline by the database's clock; may be negative."""


class HeartbeatAnswer(NamedTuple):
    """What the database tells a worker that still holds its job."""

    status: JobStatus


class AttemptReason(StrEnum):
    """Why an attempt ended without ending its job by itself; otherwise it is the EndCode."""

    DRAINED = "drained"  #: the worker gave the job back to shut down
    PAUSED = "paused"  #: the worker gave the job back on request
    CRASHED = "crashed"  #: the trainer process died
    LEASE_EXPIRED = "lease_expired"  #: the worker was not heard of
    DEADLINE_EXCEEDED = "deadline_exceeded"  #: the worker did not end it in time


@dataclass(frozen=True, kw_only=True)
class AttemptExit:
    """How an attempt ended, as far as that is known."""

    code: int | None = None
    """The exit code of the trainer's process."""
    signal: int | None = None
    """The signal that killed it."""
    detail: str | None = None
    """A sentence for people."""
    reason: str | None = None
    """An AttemptReason, which the storage fills in; None stands for the job's own EndCode."""
    publish_failed: bool = False
    """Whether its files could not be brought into the store."""


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """One time a worker started a job."""

    attempt: int
    fence: int
    owner: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    exit_signal: int | None
    reason: str | None
    """An EndCode or an AttemptReason; None while it runs."""
    detail: str | None


class Tally(StrEnum):
    """What is counted, in the transaction that does it; a count has labels of its own."""

    ATTEMPTS_STARTED = "attempts_started"
    ATTEMPTS_ENDED = "attempts_ended"  #: by AttemptReason or EndCode
    JOBS_ENDED = "jobs_ended"  #: by EndCode
    PUBLISH_FAILURES = "publish_failures"
    DATASETS_STORED = "datasets_stored"
    EPOCH_SECONDS = "epoch_seconds"  #: epochs by the bucket of the histogram they fall into
    EPOCH_SECONDS_SUM = "epoch_seconds_sum"


class EventType(StrEnum):
    """What an event tells of."""

    STATUS = "status"  #: a transition; the payload is `{}` or the EndReason
    EPOCH = "epoch"  #: an epoch; the payload is the EpochRow


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """One thing that happened to a job; a later one has a higher id."""

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
    """Some of a job's events, oldest first, and the job as it was in the same moment."""

    records: tuple[EventRecord, ...]
    newest: int
    """The id of the job's newest event."""
    version: int
    ended: bool
    """Whether the job had ended: then `newest` is its last."""


class LogLine(NamedTuple):
    """A line of a job's log that is to be stored; all of it is text that can be stored."""

    at: datetime
    level: LogLevel
    source: LogSource
    event: str
    fields: str
    """A JSON object."""


class LogRecord(NamedTuple):
    """A stored line of a job's log."""

    number: int
    """Counts the job's lines from 1."""
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
    """The number to pass as `after` for the next lines; None where there are none yet."""
    dropped: int
    """How many lines the log has lost at its beginning."""


@dataclass(frozen=True, kw_only=True)
class NewWorker:
    """A worker that has started."""

    id: str
    """Who it is as the owner of leases."""
    host: str
    pid: int
    slots: tuple[str, ...]
    version: str


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """A worker, as far as it has reported itself."""

    id: str
    host: str
    pid: int
    slots: tuple[str, ...]
    state: WorkerState
    version: str
    started_at: datetime
    seen_at: datetime
    jobs: tuple[str, ...]
    """The ids of the jobs whose leases it holds."""


class TrackedJob(NamedTuple):
    """A job that an MLflow server has not been told of to the end."""

    job_id: str
    experiment: str
    """The experiment whose run it is, or is to become."""
    run_id: str | None
    """Its run, once that has been noted."""
    last_event: int
    """The newest of the job's events that was noted as told."""


class Dispatch(NamedTuple):
    """A hint to send to the broker."""

    outbox_id: int
    job_id: str


class Reaped(NamedTuple):
    """A job that the reaper took from a worker, and what became of it."""

    job_id: str
    status: JobStatus
