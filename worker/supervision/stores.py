"""Guards for the stores of files: attempts wait for the right store; old scratch files are deleted.

Files published to a store that belongs to another database would be garbage to that database.
"""

import threading
import time
from collections.abc import Callable

import structlog

from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    DatabaseUnavailable,
    ForeignStore,
    JobStore,
)
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.datasets import DatasetFiles
from ridgeline.storage.files.garbage import ArtifactGarbage
from ridgeline.storage.ownership import Ownership
from worker.drain import Drain
from worker.settings import WorkerSettings
from worker.slots.dispatcher import Attempts
from worker.slots.slots import Slot
from worker.supervision.outages import IN_DRAIN_S, in_time

log = structlog.get_logger()


class OwnStore:
    """Runs `attempts` once the store is known to be this database's; until then jobs stay queued.

    `end` is called once if the store turns out to be another database's.
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
        """Whether the store is another database's."""

    def supervise(self, job_id: str, slot: Slot) -> None:
        """Run one attempt of the job, if it can be claimed; raises nothing."""
        if self._confirmed():
            self._attempts.supervise(job_id, slot)

    def supervise_next(self, slot: Slot) -> bool:
        """Run one attempt of the job that has waited longest; False: there is none."""
        return self._confirmed() and self._attempts.supervise_next(slot)

    def _confirmed(self) -> bool:
        try:
            in_time(self._ownership.confirm, self._drain, IN_DRAIN_S)
        except ForeignStore as error:
            self._reject(error)
            return False
        except (ArtifactsUnavailable, DatabaseUnavailable) as error:
            if not self._waiting:
                log.warning("jobs_stay_queued", because=str(error))
            self._waiting = True
            return False
        self._waiting = False
        return True

    def _reject(self, error: ForeignStore) -> None:
        with self._lock:
            first, self.foreign = not self.foreign, True
        if first:
            log.error("worker_cannot_go_on", because=str(error))
            self._end()


def clear_scratch(
    jobs: JobStore,
    artifacts: ArtifactStore,
    datasets: DatasetFiles,
    settings: WorkerSettings,
    drain: Drain,
    ownership: Ownership,
) -> None:
    """Start a thread that periodically deletes what killed workers left on this machine's disk.

    Does nothing unless the artifacts are in a bucket; for a folder the API does it.
    """
    if not isinstance(artifacts, ObjectArtifacts):
        return
    garbage = ArtifactGarbage(jobs, artifacts.scratch, settings.garbage_age_s)
    args = (ownership.guarding(garbage), datasets, settings, drain)
    threading.Thread(target=_clear_until_drain, args=args, name="scratch", daemon=True).start()


def _clear_until_drain(
    garbage: Callable[[], None], datasets: DatasetFiles, settings: WorkerSettings, drain: Drain
) -> None:
    while True:
        try:
            garbage()
            datasets.clear_staging(time.time() - settings.garbage_age_s)
        except (ArtifactsUnavailable, DatabaseUnavailable, ForeignStore) as error:
            log.warning("scratch_not_cleared", because=str(error))
        except Exception:  # retried after the interval
            log.exception("scratch_not_cleared")
        if drain.wait(settings.garbage_interval_s):
            return
