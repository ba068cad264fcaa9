"""Data sets that users upload."""

from typing import Self

from ridgeline.planning.dataset import DatasetSnapshot, UploadOptions, read_upload
from ridgeline.spec.dataset.contents import StoredDataset
from ridgeline.spec.dataset.shape import DatasetShape


class UploadDataset(UploadOptions):
    """A data set that was uploaded: a table (CSV, Parquet), arrays (NPZ, NPY) or images (ZIP).

    Columns become numbers as `encodings` says; what is fitted (means, words, scaling) is fitted on
    the training rows only, and stands in the artifact `features.json`. Test rows and validation
    rows that the file has of its own (`x_test`, `x_val`) are these parts; the split divides the
    others.
    """

    def with_stored(self, dataset: StoredDataset) -> Self:
        """The spec with what is in the file, in place of whatever was sent."""
        known = {name: getattr(dataset, name) for name in DatasetSnapshot.model_fields}
        return self.model_copy(update={"stored": DatasetSnapshot(**known)})

    def spelled_out(self) -> Self:
        """The spec with every default, and of what is in the file only what it uses.

        To spell it out again changes nothing. Raises SpecError, with pointers into `/dataset`,
        where the options do not fit what is in the file, or that is not known.
        """
        return self.model_copy(update=read_upload(self).spelled_out)

    @property
    def shape(self) -> DatasetShape:
        """Rows, features and classes; raises SpecError as spelled_out() does."""
        return read_upload(self).shape
