"""A worker, as GET answers it."""

from datetime import datetime
from enum import StrEnum

from ridgeline.api.lifecycle import JobId
from ridgeline.spec.schema import Contract


class WorkerState(StrEnum):
    """What a worker does."""

    STARTING = "starting"  #: not ready to take jobs yet
    READY = "ready"  #: takes jobs
    DRAINING = "draining"  #: gives its jobs back to end
    GONE = "gone"  #: has ended
    LOST = "lost"  #: was not heard of for the time of a lease


class Worker(Contract):
    """A process that runs attempts."""

    id: str
    host: str
    pid: int
    slots: tuple[str, ...]
    """Where attempts run, one at a time in each: `gpu:…` or `cpu:0`."""
    state: WorkerState
    version: str
    started_at: datetime
    seen_at: datetime
    """When it was last heard of."""
    jobs: tuple[JobId, ...]
    """The jobs it holds."""
