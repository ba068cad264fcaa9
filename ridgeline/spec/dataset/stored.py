"""What a spec may say of an uploaded data set.

Data sets that users upload.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from ridgeline.spec.dataset.contents import DatasetContents, DatasetId, Sha256
from ridgeline.spec.dataset.encodings import ColumnName, Encoding
from ridgeline.spec.dataset.shape import Loading
from ridgeline.spec.schema import Contract, Label, each_once

MAX_COLUMNS = 4096


Task = Literal["auto", "classification", "regression"]


UploadScaling = Literal["auto", "standard", "minmax", "unit", "none"]


Side = Annotated[int, Field(ge=1, le=4096)]


class ImageSize(Contract):
    """What images are brought to: stretched by bilinear interpolation, in grey or in colours.

    Transparency is left out.
    """

    height: Side | None = None
    """In pixels, as is `width`; by default the images' own, if all have the same."""
    width: Side | None = None
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colours; by default 1 if every image is grey, else 3."""


class DatasetSnapshot(DatasetContents):
    """What the service knows of an upload: the file, and what of its contents the job uses."""

    name: Label | None = None
    """The file's name as it was first uploaded; null in specs from before it was kept."""
    bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256


class UploadOptions(Contract):
    """What a job takes of an upload, and how it becomes numbers."""

    source: Literal["upload"]
    id: DatasetId
    """As POST /datasets answered it."""
    target: ColumnName | None = None
    """What is to be predicted: a column of a table, or an array, by default `y`, which is `y_train`
    and `y_test` together in a file that is divided already. Of images it is their folder: say
    nothing."""
    task: Task = "auto"
    """`classification`: the target's values are classes, numbered in ascending order from 0;
    `regression`: real values. `auto`: text and booleans are classes, and so are whole numbers of at
    most 100 different values, two rows or more each on average."""
    features: (
        Annotated[
            tuple[ColumnName, ...],
            Field(min_length=1, max_length=MAX_COLUMNS, fail_fast=True),
            AfterValidator(each_once),
        ]
        | None
    ) = None
    """What is predicted from, in this order: columns, by default all but the target and those
    without any value; or one array, by default the other one, or `x`."""
    encodings: Annotated[dict[str, Encoding], Field(max_length=MAX_COLUMNS)] = Field(
        default_factory=dict
    )
    """How columns become numbers. By default numbers and booleans are `number`, texts of at most
    100 different values `one_hot`, other texts `multi_hot`."""
    image: ImageSize | None = None
    """What images are brought to."""
    scaling: UploadScaling = "auto"
    """How features are scaled, fitted on the training rows only: `standard` to mean 0 and variance
    1 for each column or channel, `minmax` to [0, 1], `unit` x/255, `none` as they are. `auto`:
    `unit` for images and arrays of bytes (uint8) with two axes a row or more, `none` where nothing
    is a number, else `standard`. In a table it acts on `number` and `ordinal` columns. The saved
    model holds the scaling: it takes encoded rows, and `features.json` says how to encode one."""
    loading: Loading = "auto"
    """`memory`, `stream` from disk, or `auto`: stream what takes over half of the free memory."""
    stored: DatasetSnapshot | None = None
    """What is in the file: the service puts it in, whatever is sent."""


class UploadDataset(UploadOptions):
    """A data set that was uploaded: a table (CSV, Parquet), arrays (NPZ, NPY) or images (ZIP).

    Columns become numbers as `encodings` says; what is fitted (means, words, scaling) is fitted on
    the training rows only, and stands in the artifact `features.json`. Test rows and validation
    rows that the file has of its own (`x_test`, `x_val`) are these parts; the split divides the
    others.
    """

    def with_stored(self, snapshot: DatasetSnapshot) -> Self:
        """Return the spec with `snapshot` of the stored file in place of whatever was sent."""
        return self.model_copy(update={"stored": snapshot})
