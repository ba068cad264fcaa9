"""Files that no record points to: of attempts that died, of jobs that are deleted."""

import logging
import time
from collections.abc import Callable

from ridgeline.storage.errors import StorageError
from ridgeline.storage.files.artifacts import ArtifactStore, AttemptFiles
from ridgeline.storage.records.jobs import JobStore
from ridgeline.storage.records.values import JobRecord

_FOREIGN = (
    "the artifact store has files, but no job of this database was ever started: they are left"
    " alone until one is; see that RIDGELINE_DATABASE_URL is the one that belongs to the store"
)

logger = logging.getLogger(__name__)


class Garbage:
    """Deletes it once it is `age_s` seconds old; any number of processes may do so at once.

    What the newest attempt of a held job is making is never touched. Once a job is not held, its
    newest fence can publish no more, and the next claim has a higher one; so what was garbage when
    the job was read stays garbage. The store must have no other user: what jobs of another database
    have put there looks like garbage too, so compare first: Ownership.guarding().
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
        """Look at every attempt's files once; raises DatabaseUnavailable and ArtifactsUnavailable.

        A file that cannot be deleted holds up no others.
        """
        if not self._jobs.any_started():
            # No file is of this database then. Perhaps its address is wrong.
            if next(iter(self._artifacts.attempts()), None) is not None:
                logger.warning(_FOREIGN)
            return
        before = self._clock() - self._age_s
        for attempt in self._artifacts.attempts():
            if attempt.modified_at > before:
                continue
            record = self._jobs.get(attempt.job_id)
            if record is not None and record.status.held and record.fence == attempt.fence:
                continue
            try:
                self._delete(attempt, record)
            except (OSError, StorageError):
                logger.exception("garbage of %s is left", attempt.job_id)

    def _delete(self, attempt: AttemptFiles, record: JobRecord | None) -> None:
        published = {artifact.key for artifact in record.artifacts} if record else set()
        # Not by the files that were listed: the job may have succeeded with more since then.
        folder = f"{attempt.job_id}/{attempt.fence}/"
        if not any(key.startswith(folder) for key in published):
            self._artifacts.discard(attempt.job_id, attempt.fence)
        else:
            self._artifacts.clear_staging(attempt.job_id, attempt.fence)
            doomed = set(attempt.keys) - published
            if not doomed:
                return
            self._artifacts.delete(doomed)
        logger.info("garbage of %s, fence %d, is gone", attempt.job_id, attempt.fence)
