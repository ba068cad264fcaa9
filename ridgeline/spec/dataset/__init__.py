"""Data sets a spec may name, and how their rows are split."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ridgeline.spec.dataset.builtin import BUILTIN, BuiltinDataset
from ridgeline.spec.dataset.keras_datasets import (
    KERAS,
    KerasCifar100,
    KerasDataset,
    KerasHousing,
    KerasImages,
    KerasReviews,
)
from ridgeline.spec.dataset.shape import DatasetShape, FeatureScaling, ImageScaling, Loading
from ridgeline.spec.dataset.split import Split, SplitRows, split_rows
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
    """The tag of the union's member that `value` is meant for; without `source` a built-in one."""
    if isinstance(value, dict):
        return value.get("source", "builtin")
    return getattr(value, "source", "builtin")


Dataset = Annotated[
    Annotated[BuiltinDataset, Tag("builtin")]
    | Annotated[KerasDataset, Tag("keras")]
    | Annotated[UploadDataset, Tag("upload")],
    # By hand: a validator that put the `source` in would make Python's lists of JSON's.
    Discriminator(_source),
    Field(
        description="Where the rows come from; without `source` from the worker itself.",
        json_schema_extra={
            "discriminator": {"propertyName": "source", "mapping": _MEMBERS},
            "x-default-tag": "builtin",  # OpenAPI 3.1 has no word for it
        },
    ),
]
