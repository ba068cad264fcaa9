"""Reads a spec's options over what is in the file: every default spelled out, or what is wrong."""

from collections.abc import Callable

from ridgeline.planning.dataset.arrays import read_arrays
from ridgeline.planning.dataset.images import read_images
from ridgeline.planning.dataset.outcome import Reading, fault
from ridgeline.planning.dataset.table import read_table
from ridgeline.spec.dataset import Dataset, DatasetShape, UploadDataset
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


def dataset_shape(dataset: Dataset) -> DatasetShape:
    """Rows, features and classes of a data set; raises SpecError as spell_out() does."""
    if isinstance(dataset, UploadDataset):
        return read_stored(dataset).shape
    return dataset.shape


def spell_out(dataset: UploadDataset) -> UploadDataset:
    """Return the spec with every default, and of the stored file's contents only what it uses.

    Spelling it out again changes nothing. Raises SpecError, with pointers into `/dataset`, where
    the options do not fit the stored contents, or the contents are unknown.
    """
    return dataset.model_copy(update=read_stored(dataset).spelled_out)


def read_stored(options: UploadOptions) -> Reading:
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
