"""The disk of this machine, where the artifacts are in a bucket: what killed workers left goes."""

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
from ridgeline.storage.files.artifacts.garbage import Garbage
from ridgeline.storage.files.datasets import DatasetFiles
from ridgeline.storage.ownership import Ownership
from worker.drain import Drain
from worker.settings import WorkerSettings

log = structlog.get_logger()


def clear_scratch(
    jobs: JobStore,
    artifacts: ArtifactStore,
    datasets: DatasetFiles,
    settings: WorkerSettings,
    drain: Drain,
    ownership: Ownership,
) -> None:
    """Look for leavings from time to time, in a thread, until this worker shuts down.

    Nothing where the artifacts are in a folder: the API does it then.
    """
    if not isinstance(artifacts, ObjectArtifacts):
        return
    garbage = Garbage(jobs, artifacts.scratch, settings.garbage_age_s)
    args = (ownership.guarding(garbage), datasets, settings, drain)
    threading.Thread(target=_run, args=args, name="scratch", daemon=True).start()


def _run(
    garbage: Callable[[], None], datasets: DatasetFiles, settings: WorkerSettings, drain: Drain
) -> None:
    while True:
        try:
            garbage()
            datasets.clear_staging(time.time() - settings.garbage_age_s)
        except (ArtifactsUnavailable, DatabaseUnavailable, ForeignStore) as error:
            log.warning("scratch_not_cleared", because=str(error))
        except Exception:  # the disk is looked at again
            log.exception("scratch_not_cleared")
        if drain.wait(settings.garbage_interval_s):
            return
