"""Uploaded data sets: records in the database, bytes in a folder or a bucket."""

from ridgeline.storage.files.datasets.garbage import DatasetGarbage
from ridgeline.storage.files.datasets.local import LocalDatasetFiles
from ridgeline.storage.files.datasets.opening import open_datasets
from ridgeline.storage.files.datasets.protocol import (
    DatasetFiles,
    HeldFile,
    StoredBytes,
    dataset_key,
    part_key,
)
from ridgeline.storage.files.staging import staged
from ridgeline.storage.records.datasets import (
    AddedDataset,
    DatasetPage,
    DatasetRecord,
    DatasetStore,
    NewDataset,
    NewUpload,
    UploadRecord,
)
from ridgeline.storage.records.uploads import UploadStore

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
