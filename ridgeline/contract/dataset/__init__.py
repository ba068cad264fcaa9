"""Data sets a spec may name, and how their rows are split."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ridgeline.contract.dataset.builtin import BUILTIN, BuiltinDataset
from ridgeline.contract.dataset.keras_datasets import (
    KERAS,
    KerasCifar100,
    KerasDataset,
    KerasHousing,
    KerasImages,
    KerasReviews,
)
from ridgeline.contract.dataset.shape import DatasetShape, FeatureScaling, ImageScaling, Loading
from ridgeline.contract.dataset.split import Split, SplitRows, split_rows

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
    "split_rows",
]


def _sourced(value: Any) -> Any:
    """Let a data set without a `source` be a built-in one."""
    return {"source": "builtin", **value} if isinstance(value, dict) else value


_Union = Annotated[
    BuiltinDataset | KerasDataset,
    Field(
        discriminator="source",
        description="Where the rows come from; without `source` from the worker itself.",
        json_schema_extra={"x-default-tag": "builtin"},  # OpenAPI 3.1 has no word for it
    ),
]
Dataset = Annotated[_Union, BeforeValidator(_sourced, json_schema_input_type=_Union)]
