"""Uploaded data sets: records in the database, bytes in a folder or a bucket."""

from ridgeline.storage.datasets.files import (
    DatasetFiles,
    HeldFile,
    StoredBytes,
    dataset_key,
    part_key,
)
from ridgeline.storage.datasets.garbage import DatasetGarbage
from ridgeline.storage.datasets.local import LocalDatasetFiles
from ridgeline.storage.datasets.opening import open_datasets
from ridgeline.storage.datasets.records import (
    AddedDataset,
    DatasetPage,
    DatasetRecord,
    NewDataset,
    NewUpload,
    UploadRecord,
)
from ridgeline.storage.datasets.staging import staged
from ridgeline.storage.datasets.store import DatasetStore
from ridgeline.storage.datasets.uploads import UploadStore

__all__ = [
    "AddedDataset",
    "DatasetFiles",
    "DatasetGarbage",
    "DatasetPage",
    "DatasetRecord",
    "DatasetStore",
    "HeldFile",
    "LocalDatasetFiles",
    "NewDataset",
    "NewUpload",
    "StoredBytes",
    "UploadRecord",
    "UploadStore",
    "dataset_key",
    "open_datasets",
    "part_key",
    "staged",
]
