"""What a spec's words about an uploaded data set come to over the data set's contents."""

from ridgeline.contract.dataset.uploads.options import (
    DatasetSnapshot,
    ImageSize,
    Task,
    UploadOptions,
    UploadScaling,
)
from ridgeline.contract.dataset.uploads.outcome import Reading
from ridgeline.contract.dataset.uploads.reading import read_upload

__all__ = [
    "DatasetSnapshot",
    "ImageSize",
    "Reading",
    "Task",
    "UploadOptions",
    "UploadScaling",
    "read_upload",
]
