"""What a spec's words about an uploaded data set come to over the data set's contents."""

from ridgeline.planning.dataset.outcome import Reading
from ridgeline.planning.dataset.reading import read_upload
from ridgeline.spec.dataset.stored import (
    DatasetSnapshot,
    ImageSize,
    Task,
    UploadOptions,
    UploadScaling,
)

__all__ = [
    "DatasetSnapshot",
    "ImageSize",
    "Reading",
    "Task",
    "UploadOptions",
    "UploadScaling",
    "read_upload",
]
