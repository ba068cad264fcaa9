"""A worker, as the API returns it."""

from datetime import datetime
from enum import StrEnum

from ridgeline.api.lifecycle import JobId
from ridgeline.spec.schema import Contract


class WorkerState(StrEnum):
    """The state of a worker."""

    STARTING = "starting"  #: not accepting jobs yet
    READY = "ready"  #: accepts jobs
    DRAINING = "draining"  #: releasing its jobs before it exits
    GONE = "gone"  #: exited
    LOST = "lost"  #: not seen for the length of a lease


class Worker(Contract):
    """A process that runs jobs."""

    id: str
    host: str
    pid: int
    slots: tuple[str, ...]
    """Slots, each of which runs one attempt at a time: `gpu:…` or `cpu:0`."""
    state: WorkerState
    version: str
    started_at: datetime
    seen_at: datetime
    """When the worker last reported."""
    jobs: tuple[JobId, ...]
    """The jobs it is running."""
