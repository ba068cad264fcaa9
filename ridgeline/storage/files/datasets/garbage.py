"""Files of data sets that no record points to: their maker has died, or nobody deleted them."""

import logging
import time
from collections.abc import Callable
from itertools import islice

from ridgeline.storage.errors import StorageError
from ridgeline.storage.files.datasets.protocol import DatasetFiles
from ridgeline.storage.records.datasets import DatasetStore
from ridgeline.storage.records.uploads import UploadStore

_BATCH = 500
_FOREIGN = (
    "there are files of data sets, but this database has never had any: they are left alone; see"
    " that RIDGELINE_DATABASE_URL is the one that belongs to the store"
)

logger = logging.getLogger(__name__)


class DatasetGarbage:
    """Deletes it once it is `age_s` seconds old, and what uploads have expired.

    A key is recorded within minutes of its file's storage, or never: so what has no record at that
    age is garbage for good. The store must have no other user.
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
        """Look once; True if more uploads may have expired.

        Raises DatabaseUnavailable and ArtifactsUnavailable. A file that cannot be deleted holds up
        no others.
        """
        expired = self._uploads.expire()
        self._delete(expired)
        before = self._clock() - self._age_s
        self._files.clear_staging(before)
        old = (each.key for each in self._files.files() if each.modified_at < before)
        while batch := list(islice(old, _BATCH)):
            if not self._datasets.any_stored():
                logger.warning(_FOREIGN)
                break
            self._delete(sorted(set(batch) - self._datasets.known(batch)))
        return bool(expired)

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            try:
                self._files.delete([key])
            except (OSError, StorageError):
                logger.exception("the file %s of no data set is left", key)
            else:
                logger.info("the file %s of no data set is gone", key)
