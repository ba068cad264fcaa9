"""No attempt before it is known that the store of files belongs to the database.

What an attempt published elsewhere would be garbage to the database that the store belongs to.
"""

import threading
from collections.abc import Callable

import structlog

from ridgeline.storage import ArtifactsUnavailable, DatabaseUnavailable, ForeignStore
from ridgeline.storage.ownership import Ownership
from worker.drain import Drain
from worker.slots.dispatcher import Attempts
from worker.slots.slots import Slot
from worker.supervision.patience import IN_DRAIN_S, in_time

log = structlog.get_logger()


class OwnStore:
    """Runs `attempts` once the store is known; until then their jobs stay in the queue.

    `end` is called, once, when the store turns out to be another database's.
    """

    def __init__(
        self, attempts: Attempts, ownership: Ownership, drain: Drain, end: Callable[[], object]
    ) -> None:
        self._attempts = attempts
        self._ownership = ownership
        self._drain = drain
        self._end = end
        self._lock = threading.Lock()
        self._waiting = False
        self.foreign = False
        """Whether it has turned out so."""

    def supervise(self, job_id: str, slot: Slot) -> None:
        """Run one attempt of the job, if it is to be had; raises nothing."""
        if self._known():
            self._attempts.supervise(job_id, slot)

    def supervise_next(self, slot: Slot) -> bool:
        """Run one attempt of the job that has waited longest in `slot`; False: there is none."""
        return self._known() and self._attempts.supervise_next(slot)

    def _known(self) -> bool:
        try:
            in_time(self._ownership.confirm, self._drain, IN_DRAIN_S)
        except ForeignStore as error:
            self._refuse(error)
            return False
        except (ArtifactsUnavailable, DatabaseUnavailable) as error:
            if not self._waiting:
                log.warning("jobs_stay_queued", because=str(error))
            self._waiting = True
            return False
        self._waiting = False
        return True

    def _refuse(self, error: ForeignStore) -> None:
        with self._lock:
            first, self.foreign = not self.foreign, True
        if first:
            log.error("worker_cannot_go_on", because=str(error))
            self._end()
