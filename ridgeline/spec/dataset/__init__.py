"""The data sets a spec may name, and how their rows are split."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ridgeline.spec.dataset.provided import (
    BUILTIN,
    KERAS,
    BuiltinDataset,
    KerasCifar100,
    KerasDataset,
    KerasHousing,
    KerasImages,
    KerasReviews,
)
from ridgeline.spec.dataset.shape import (
    DatasetShape,
    FeatureScaling,
    ImageScaling,
    Loading,
    Split,
    SplitRows,
    split_rows,
)
from ridgeline.spec.dataset.stored import UploadDataset

__all__ = [
    "BUILTIN",
    "KERAS",
    "BuiltinDataset",
    "Dataset",
    "DatasetShape",
    "FeatureScaling",
    "ImageScaling",
    "KerasCifar100",
    "KerasDataset",
    "KerasHousing",
    "KerasImages",
    "KerasReviews",
    "Loading",
    "Split",
    "SplitRows",
    "UploadDataset",
    "split_rows",
]


_MEMBERS = {
    "builtin": "#/$defs/BuiltinDataset",
    "keras": "#/$defs/KerasDataset",
    "upload": "#/$defs/UploadDataset",
}


def _source(value: Any) -> Any:
    """The tag of the union's member for `value`; without `source` a built-in data set."""
    if isinstance(value, dict):
        return value.get("source", "builtin")
    return getattr(value, "source", "builtin")


Dataset = Annotated[
    Annotated[BuiltinDataset, Tag("builtin")]
    | Annotated[KerasDataset, Tag("keras")]
    | Annotated[UploadDataset, Tag("upload")],
    # Not a validator that adds `source`: its output would be validated as Python, not as JSON.
    Discriminator(_source),
    Field(
        description="Where the rows come from; without `source` a data set built into the worker.",
        json_schema_extra={
            "discriminator": {"propertyName": "source", "mapping": _MEMBERS},
            "x-default-tag": "builtin",  # OpenAPI 3.1 has no keyword for it
        },
    ),
]
