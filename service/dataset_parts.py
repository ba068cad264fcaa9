"""The parts that take data sets in and give them out."""

import asyncio
from dataclasses import dataclass

from ridgeline.storage import Database
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetGarbage,
    DatasetStore,
    UploadStore,
    open_datasets,
)
from service.datasets.inspection.bounds import Bounds
from service.datasets.inspection.inspector import AT_ONCE, Inspector
from service.datasets.receiving import Receiver
from service.settings import Settings


@dataclass(frozen=True, kw_only=True)
class DatasetParts:
    """Everything that a request about a data set may need."""

    store: DatasetStore
    lookups: DatasetStore
    """The same data sets, for deps.read()."""
    uploads: UploadStore
    files: DatasetFiles
    receiver: Receiver
    inspector: Inspector
    garbage: DatasetGarbage
    assembling: asyncio.Semaphore
    """How many uploads are put together at once: each takes as much of the disk as its file."""

    def close(self) -> None:
        """Kill what looks through files."""
        self.inspector.close()


def dataset_parts(settings: Settings, database: Database, for_lookups: Database) -> DatasetParts:
    """Make the parts; close them when no request is left."""
    store, files = DatasetStore(database), open_datasets(settings)
    uploads = UploadStore(database, settings.upload_keep_s)
    bounds = Bounds(settings.inspection_memory_bytes, settings.inspection_timeout_s)
    return DatasetParts(
        store=store,
        lookups=DatasetStore(for_lookups),
        uploads=uploads,
        files=files,
        receiver=Receiver(settings.body_timeout_s),
        inspector=Inspector(bounds),
        garbage=DatasetGarbage(store, uploads, files, settings.garbage_age_s),
        assembling=asyncio.Semaphore(AT_ONCE),  # no more are looked through
    )
