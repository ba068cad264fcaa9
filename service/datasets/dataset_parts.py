"""The parts that take data sets in and give them out."""

from dataclasses import dataclass

from ridgeline.storage import Database
from ridgeline.storage.datasets import (
    DatasetFiles,
    DatasetGarbage,
    DatasetStore,
    UploadStore,
    open_datasets,
)
from service.http.receiving import Receiver
from service.inspection.bounds import Bounds
from service.inspection.inspector import Inspector
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
    )
