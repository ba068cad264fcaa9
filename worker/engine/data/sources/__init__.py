"""Reads raw rows from where the spec says they are."""

from ridgeline.contract.dataset import BuiltinDataset, Dataset
from worker.engine.data.sources.builtin import builtin_rows, load
from worker.engine.data.sources.cache import KerasCache
from worker.engine.data.sources.keras_datasets import keras_rows
from worker.engine.data.sources.rows import RawRows

__all__ = ["KerasCache", "RawRows", "load", "raw_rows"]


def raw_rows(dataset: Dataset, cache: KerasCache | None = None) -> tuple[RawRows, RawRows]:
    """The rows to be divided by the split, and the set's own test rows, which may be none.

    Keras's files are looked for in `cache`, by default where Keras has them. Raises TrainingFailed
    where they cannot be had or are not what the catalogue promised.
    """
    if isinstance(dataset, BuiltinDataset):
        return builtin_rows(dataset)
    return keras_rows(dataset, cache or KerasCache())
