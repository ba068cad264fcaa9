"""The data sets of keras.datasets, from the files that Keras caches."""

import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ridgeline.api.job import EndCode
from ridgeline.spec.dataset import DatasetShape, KerasDataset, KerasHousing
from worker.engine.context import TrainingFailed
from worker.engine.data.sources.cache import KerasCache
from worker.engine.data.sources.images import cifar10, cifar100, fashion_mnist, mnist
from worker.engine.data.sources.pickles import npz_array
from worker.engine.data.sources.rows import Chunk, RawRows, SetRows, held_rows, set_rows
from worker.engine.data.sources.texts import imdb, reuters

Reader = Callable[[Any, KerasCache], tuple[RawRows, RawRows]]
#: What reading a file raises that is not what it should be.
_UNREADABLE = (
    *(EOFError, IndexError, KeyError, OSError, TypeError, ValueError),
    *(pickle.UnpicklingError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)
SMALL = 600
SEED = 113
TEST_SHARE = 0.2


def california_housing(dataset: KerasHousing, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """Districts in the order load_data shuffles them; the last fifth are for testing."""
    path = cache.path("california_housing.npz")
    features, target = (npz_array(path, member) for member in ("x", "y"))
    if len(features) != len(target):
        raise ValueError(f"{len(features)} rows have {len(target)} prices")
    count = len(target) if dataset.version == "large" else min(SMALL, len(target))
    order = np.arange(count)
    np.random.RandomState(SEED).shuffle(order)
    features, target = features[order].astype(np.float32), target[order]
    cut = int(count * (1 - TEST_SHARE))
    return held_rows(features[:cut], target[:cut]), held_rows(features[cut:], target[cut:])


_READERS: dict[str, Reader] = {
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "imdb": imdb,
    "reuters": reuters,
    "california_housing": california_housing,
}


def keras_rows(dataset: KerasDataset, cache: KerasCache) -> SetRows:
    """The training rows and the test rows that load_data gives, the first ones where limited.

    Raises TrainingFailed where a file cannot be had, read, or is not what the catalogue promised.
    """
    with _reading(dataset.name):
        train, test = _READERS[dataset.name](dataset, cache)
    shape = dataset.shape
    counts = {"training": (train, shape.rows), "test": (test, shape.test_rows)}
    train, test = (
        _checked(dataset.name, part, rows, count, shape) for part, (rows, count) in counts.items()
    )
    return set_rows(train, test=test)


def _checked(name: str, part: str, rows: RawRows, count: int, shape: DatasetShape) -> RawRows:
    if rows.rows < count or rows.shape != shape.features:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"the file of {name} has {rows.rows} {part} rows of shape {rows.shape}, expected"
            f" {count} of shape {shape.features}; put Keras's own file there",
        )
    rows = rows.first(count)
    classes = shape.classes
    if classes is not None and np.any((rows.target < 0) | (rows.target >= classes)):
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"the file of {name} has classes that are not 0 to {classes - 1}; put Keras's own file"
            " there",
        )
    return replace(rows, chunks=lambda: _guarded(name, rows))


def _guarded(name: str, rows: RawRows) -> Iterator[Chunk]:
    with _reading(name):
        for start, chunk in rows.chunks():
            received, expected = (chunk.shape[1:], chunk.dtype), (rows.shape, rows.dtype)
            if received != expected:
                raise ValueError(
                    f"rows of {received[1]} {received[0]}, expected {expected[1]} {rows.shape}"
                )
            yield start, chunk


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"the file of {name} cannot be read: {error}; delete it from Keras's folder to have it"
            " downloaded again",
        ) from error
