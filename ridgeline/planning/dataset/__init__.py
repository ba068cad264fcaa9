"""What a spec's options for a stored data set mean, given the contents of its file."""

from collections.abc import Callable

from ridgeline.planning.dataset.arrays import read_arrays, read_images
from ridgeline.planning.dataset.outcome import Reading, fault
from ridgeline.planning.dataset.table import read_table
from ridgeline.spec.dataset import Dataset, DatasetShape, UploadDataset
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.dataset.stored import DatasetSnapshot, UploadOptions
from ridgeline.spec.faults import SpecError

__all__ = ["Reading", "dataset_shape", "read_stored", "spell_out"]

_READERS: dict[DatasetFormat, Callable[[UploadOptions, DatasetSnapshot], Reading]] = {
    DatasetFormat.CSV: read_table,
    DatasetFormat.PARQUET: read_table,
    DatasetFormat.NPZ: read_arrays,
    DatasetFormat.NPY: read_arrays,
    DatasetFormat.IMAGES: read_images,
}


def dataset_shape(dataset: Dataset) -> DatasetShape:
    """Rows, features and classes of a data set. Raises SpecError like `spell_out`."""
    if isinstance(dataset, UploadDataset):
        return read_stored(dataset).shape
    return dataset.shape


def spell_out(dataset: UploadDataset) -> UploadDataset:
    """The data set with every default, and with only the stored contents that it uses.

    Idempotent. Raises SpecError, with pointers into `/dataset`, if the options do not fit the
    stored contents, or the contents are unknown.
    """
    return dataset.model_copy(update=read_stored(dataset).spelled_out)


def read_stored(options: UploadOptions) -> Reading:
    """The options with every default, and the shape of the resulting data.

    Raises SpecError, with pointers into `/dataset`, if the options do not fit the stored contents,
    or the contents are unknown.
    """
    if options.stored is None:
        detail = (
            "expected the contents of the stored data set, received none; post the spec to the"
            " service, which fills them in"
        )
        raise SpecError([fault("id", detail=detail, rule="unknown-dataset")])
    return _READERS[options.stored.format](options, options.stored)
