"""A stored data set in a spec: what is predicted from what, and how rows become numbers."""

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
    """The size that images are stretched to, by bilinear interpolation. Transparency is dropped."""

    height: Side | None = None
    """Height in pixels; by default the images' own if it is the same for all."""
    width: Side | None = None
    """Width in pixels; by default the images' own if it is the same for all."""
    channels: Literal[1, 3] | None = None
    """1 for gray, 3 for color; by default 1 if every image is gray, else 3."""


class DatasetSnapshot(DatasetContents):
    """A stored data set as recorded in a job: the file, and the contents that the job uses."""

    name: Label | None = None
    """The data set's name; null in jobs from before it was recorded."""
    bytes: Annotated[int, Field(ge=1)]
    sha256: Sha256


class UploadOptions(Contract):
    """What a job uses of a stored data set, and how it becomes numbers."""

    source: Literal["upload"]
    id: DatasetId
    """The id that POST /datasets returned."""
    target: ColumnName | None = None
    """What to predict: a column of a table, or an array, by default `y` (in a file that is already
    split, `y_train` and `y_test` together). Leave it out for images, whose classes are their
    folders."""
    task: Task = "auto"
    """`classification`: the target's values are classes, numbered in ascending order from 0;
    `regression`: real values. `auto`: text and booleans are classes, and so are whole numbers with
    at most 100 different values and at least two rows per value on average."""
    features: (
        Annotated[
            tuple[ColumnName, ...],
            Field(min_length=1, max_length=MAX_COLUMNS, fail_fast=True),
            AfterValidator(each_once),
        ]
        | None
    ) = None
    """What to predict from, in this order: columns, by default all but the target and empty ones;
    or one array, by default `x`, or the only one beside the target."""
    encodings: Annotated[dict[str, Encoding], Field(max_length=MAX_COLUMNS)] = Field(
        default_factory=dict
    )
    """How columns become numbers. By default numbers and booleans are `number`, texts with at most
    100 different values `one_hot`, other texts `multi_hot`."""
    image: ImageSize | None = None
    """The size and channels of images."""
    scaling: UploadScaling = "auto"
    """How to scale features, fitted on the training rows only: `standard` to mean 0 and variance 1
    for each column or channel, `minmax` to [0, 1], `unit` x/255, `none` not at all. `auto`: `unit`
    for images and for arrays of bytes (uint8) with at least two axes per row, `none` if nothing is
    a number, else `standard`. In a table it acts on `number` and `ordinal` columns. The saved model
    includes the scaling and takes encoded rows; `features.json` describes how to encode one."""
    loading: Loading = "auto"
    """`memory`, `stream` from disk, or `auto`: stream rows that need over half of the free
    memory."""
    stored: DatasetSnapshot | None = None
    """The contents of the file. Filled in by the service, which replaces whatever is sent."""


class UploadDataset(UploadOptions):
    """A stored data set: a table (CSV, Parquet), arrays (NPZ, NPY) or images (ZIP).

    Columns become numbers by `encodings`. Means, vocabularies and scaling are fitted on the
    training rows only; the artifact `features.json` records them. A file's own test and validation
    rows (`x_test`, `x_val`) are these parts; the split divides the other rows.
    """

    def with_stored(self, snapshot: DatasetSnapshot) -> Self:
        """The data set with `snapshot` in place of whatever was sent as `stored`."""
        return self.model_copy(update={"stored": snapshot})
