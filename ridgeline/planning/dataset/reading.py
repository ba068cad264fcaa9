"""Reads a spec's options over what is in the file: every default spelled out, or what is wrong."""

from collections.abc import Callable

from ridgeline.planning.dataset.arrays import read_arrays
from ridgeline.planning.dataset.images import read_images
from ridgeline.planning.dataset.outcome import Reading, fault
from ridgeline.planning.dataset.table import read_table
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.dataset.stored import DatasetSnapshot, UploadOptions
from ridgeline.spec.faults import SpecError

_READERS: dict[DatasetFormat, Callable[[UploadOptions, DatasetSnapshot], Reading]] = {
    DatasetFormat.CSV: read_table,
    DatasetFormat.PARQUET: read_table,
    DatasetFormat.NPZ: read_arrays,
    DatasetFormat.NPY: read_arrays,
    DatasetFormat.IMAGES: read_images,
}


def read_upload(options: UploadOptions) -> Reading:
    """The options with every default, and the rows that they make of the file.

    Raises SpecError, with pointers into `/dataset`, where they do not fit what is stored.
    """
    if options.stored is None:
        detail = (
            "expected what is stored under this id beside it; the service looks it up when a spec"
            " is posted"
        )
        raise SpecError([fault("id", detail=detail, rule="unknown-dataset")])
    return _READERS[options.stored.format](options, options.stored)
