"""Garbage collection: deletes files without a record, left by attempts, uploads and deleted jobs.

A file is garbage if no record points to it although it is old enough to have one. Any number of
processes may collect garbage at once, but a store must have no other user: files of another
database look like garbage too. Compare first, with Ownership.guarding().
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from ridgeline.storage.errors import StorageError
from ridgeline.storage.files.artifacts.protocol import ArtifactStore, AttemptFiles
from ridgeline.storage.files.datasets.protocol import DatasetFiles
from ridgeline.storage.records.datasets import DatasetStore, UploadStore
from ridgeline.storage.records.jobs import JobStore
from ridgeline.storage.records.values import JobRecord

_BATCH = 500
_FOREIGN = (
    "the store has files of %s, but this database never had any: nothing is deleted; check that"
    " RIDGELINE_DATABASE_URL is the database that owns the store"
)

logger = logging.getLogger(__name__)


class ArtifactGarbage:
    """Deletes unrecorded files of attempts once they are `age_s` seconds old.

    The files of the newest attempt of a held job are never deleted. Once a job is not held, its
    newest fence can publish no more, and the next claim has a higher one; so what was garbage when
    the job was read stays garbage.
    """

    def __init__(
        self,
        jobs: JobStore,
        artifacts: ArtifactStore,
        age_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._jobs = jobs
        self._artifacts = artifacts
        self._age_s = age_s
        self._clock = clock

    def __call__(self) -> None:
        """Check the files of every attempt once.

        A file that cannot be deleted is logged. Raises DatabaseUnavailable and
        ArtifactsUnavailable.
        """
        if not self._jobs.any_started():
            if next(iter(self._artifacts.attempts()), None) is not None:
                logger.warning(_FOREIGN, "jobs")
            return
        before = self._clock() - self._age_s
        for attempt in self._artifacts.attempts():
            if attempt.modified_at > before:
                continue
            record = self._jobs.get(attempt.job_id)
            if record is not None and record.status.held and record.fence == attempt.fence:
                continue
            with _errors_logged(attempt.job_id):
                self._delete(attempt, record)

    def _delete(self, attempt: AttemptFiles, record: JobRecord | None) -> None:
        published = {artifact.key for artifact in record.artifacts} if record else set()
        # Not by the listed files: the job may have succeeded with more of them since.
        folder = f"{attempt.job_id}/{attempt.fence}/"
        if not any(key.startswith(folder) for key in published):
            self._artifacts.discard(attempt.job_id, attempt.fence)
        else:
            self._artifacts.clear_staging(attempt.job_id, attempt.fence)
            garbage = set(attempt.keys) - published
            if not garbage:
                return
            self._artifacts.delete(garbage)
        logger.info("deleted garbage of %s, fence %d", attempt.job_id, attempt.fence)


class DatasetGarbage:
    """Deletes unrecorded files of data sets once they are `age_s` seconds old, and expired uploads.

    The key of a file is recorded within minutes of its storage, or never.
    """

    def __init__(
        self,
        datasets: DatasetStore,
        uploads: UploadStore,
        files: DatasetFiles,
        age_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._datasets = datasets
        self._uploads = uploads
        self._files = files
        self._age_s = age_s
        self._clock = clock

    def __call__(self) -> bool:
        """Check all files once; returns whether more uploads may have expired.

        A file that cannot be deleted is logged. Raises DatabaseUnavailable and
        ArtifactsUnavailable.
        """
        expired = self._uploads.expire()
        self._delete(expired)
        before = self._clock() - self._age_s
        self._files.clear_staging(before)
        old = (stored.key for stored in self._files.files() if stored.modified_at < before)
        while batch := list(islice(old, _BATCH)):
            if not self._datasets.any_stored():
                logger.warning(_FOREIGN, "data sets")
                break
            self._delete(sorted(set(batch) - self._datasets.known(batch)))
        return bool(expired)

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            with _errors_logged(key):
                self._files.delete([key])
                logger.info("deleted the file %s, which belongs to no data set", key)


@contextmanager
def _errors_logged(name: str) -> Iterator[None]:
    """Log an error of the block: it must not keep other garbage from being deleted."""
    try:
        yield
    except (OSError, StorageError):
        logger.exception("could not delete the garbage of %s", name)
