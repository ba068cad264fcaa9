"""Stored data sets: records in the database, files in a folder or a bucket."""

from ridgeline.storage.files.bucket import Bucket
from ridgeline.storage.files.datasets.bucket import BucketDatasetFiles
from ridgeline.storage.files.datasets.local import LocalDatasetFiles
from ridgeline.storage.files.datasets.protocol import (
    DatasetFiles,
    HeldFile,
    dataset_key,
    part_key,
)
from ridgeline.storage.files.protocol import store_folder
from ridgeline.storage.files.staging import staged
from ridgeline.storage.records.datasets import (
    AddedDataset,
    DatasetPage,
    DatasetRecord,
    DatasetStore,
    NewDataset,
    NewUpload,
    UploadRecord,
    UploadStore,
)
from ridgeline.storage.settings import StorageSettings

__all__ = [
    "AddedDataset",
    "BucketDatasetFiles",
    "DatasetFiles",
    "DatasetPage",
    "DatasetRecord",
    "DatasetStore",
    "HeldFile",
    "LocalDatasetFiles",
    "NewDataset",
    "NewUpload",
    "UploadRecord",
    "UploadStore",
    "dataset_key",
    "open_datasets",
    "part_key",
    "staged",
]

_FOLDER = ".datasets"


def open_datasets(settings: StorageSettings) -> DatasetFiles:
    """The files of stored data sets, in the same folder or bucket as open_artifacts().

    Raises UnusableArtifactStore for an invalid URL. Sends no request.
    """
    folder = settings.artifacts_dir.resolve()
    local = store_folder(settings.artifacts_url, folder)
    if local is None:
        return BucketDatasetFiles(Bucket(str(settings.artifacts_url)), folder / _FOLDER)
    return LocalDatasetFiles(local / _FOLDER)
