"""The workers, and whether they take the jobs that wait."""

import logging
from collections.abc import Sequence

from ridgeline.contract.worker import Worker, WorkerState
from ridgeline.storage import FigureStore, WorkerRecord, WorkerStore
from service.deps import Parts

STALL_S = 60.0
"""How long jobs may wait while somebody could take them, or nobody is there to."""

logger = logging.getLogger(__name__)


def workers(parts: Parts) -> list[Worker]:
    """Every worker that has been heard of within a day, the latest first."""
    records = WorkerStore(parts.database).list(parts.settings.lease_s)
    return [Worker(**vars(record)) for record in records]


def stall(oldest_wait_s: float, known: Sequence[WorkerRecord]) -> str | None:
    """Why jobs wait that should not, or None where they need not, or wait for a slot."""
    if oldest_wait_s < STALL_S:
        return None
    ready = [worker for worker in known if worker.state is WorkerState.READY]
    if not ready:
        return "no worker is ready to take them"
    free = [worker.id for worker in ready if len(worker.slots) > len(worker.jobs)]
    return f"{free[0]} has a free slot" if free else None


class StallAlarm:
    """Warns once when jobs wait that should not, and says when that is over."""

    def __init__(self, figures: FigureStore, store: WorkerStore, lease_s: float) -> None:
        self._figures = figures
        self._store = store
        self._lease_s = lease_s
        self._stalled = False

    def __call__(self) -> None:
        """Look once."""
        waited = self._figures.oldest_wait_s()
        why = stall(waited, self._store.list(self._lease_s)) if waited >= STALL_S else None
        if why and not self._stalled:
            logger.warning("a job has waited for %.0f s: %s", waited, why)
        elif self._stalled and not why:
            logger.info("waiting jobs are taken again")
        self._stalled = why is not None
