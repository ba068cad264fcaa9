"""Images, as bytes: mnist, fashion_mnist, cifar10, cifar100."""

import gzip
import struct
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.spec.dataset import KerasCifar100, KerasImages
from worker.engine.data.sources.cache import KerasCache
from worker.engine.data.sources.pickles import (
    ArrayUnpickler,
    npz_array,
    npz_chunks,
    npz_shape,
    read_chunks,
)
from worker.engine.data.sources.rows import Chunk, RawRows

BYTE = np.dtype(np.uint8)
CIFAR_SHAPE = (3, 32, 32)
IDX_BYTES = 0x08
"""The type code of unsigned bytes in an IDX file."""


def mnist(dataset: KerasImages, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """The rows of mnist.npz: x_train, y_train, x_test, y_test."""
    del dataset
    path = cache.path("mnist.npz")
    return _npz_images(path, "train"), _npz_images(path, "test")


def fashion_mnist(dataset: KerasImages, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """The rows of four IDX files: images and labels, for training and for testing."""
    del dataset
    return _idx_rows(cache, "train"), _idx_rows(cache, "t10k")


def cifar10(dataset: KerasImages, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """The rows of five batches and a test batch."""
    del dataset
    path = cache.path("cifar-10-python.tar.gz")
    folder = "cifar-10-batches-py"
    train = tuple(f"{folder}/data_batch_{number}" for number in range(1, 6))
    return _cifar_rows(path, train, (f"{folder}/test_batch",), "labels")


def cifar100(dataset: KerasCifar100, cache: KerasCache) -> tuple[RawRows, RawRows]:
    """The rows of one batch each."""
    path = cache.path("cifar-100-python.tar.gz")
    folder = "cifar-100-python"
    return _cifar_rows(
        path, (f"{folder}/train",), (f"{folder}/test",), f"{dataset.label_mode}_labels"
    )


def _npz_images(path: Path, part: str) -> RawRows:
    target = npz_array(path, f"y_{part}")
    count, *shape = npz_shape(path, f"x_{part}")
    _same_count(count, target)

    def chunks() -> Iterator[Chunk]:
        for start, images in npz_chunks(path, f"x_{part}"):
            yield start, images[..., np.newaxis]

    return RawRows(target, (*shape, 1), BYTE, chunks)


def _idx_rows(cache: KerasCache, part: str) -> RawRows:
    images = cache.path(f"{part}-images-idx3-ubyte.gz")
    with gzip.open(cache.path(f"{part}-labels-idx1-ubyte.gz")) as stream:
        count = _idx_shape(stream, 1)[0]
        target = np.frombuffer(stream.read(), BYTE)
    _same_count(count, target)
    with gzip.open(images) as stream:
        shape = _idx_shape(stream, 3)
    _same_count(shape[0], target)

    def chunks() -> Iterator[Chunk]:
        with gzip.open(images) as stream:
            yield from read_chunks(stream, (*_idx_shape(stream, 3), 1), BYTE)

    return RawRows(target, (*shape[1:], 1), BYTE, chunks)


def _idx_shape(stream: Any, dimensions: int) -> tuple[int, ...]:
    """Read the head of an IDX file: two zeros, a type, the number of dimensions, each one's size.

    http://yann.lecun.com/exdb/mnist/
    """
    head = struct.Struct(f">HBB{dimensions}I")
    content = stream.read(head.size)
    if len(content) < head.size:
        raise EOFError("it ends too early")
    zeros, kind, found, *sizes = head.unpack(content)
    if (zeros, kind, found) != (0, IDX_BYTES, dimensions):
        raise ValueError(f"no IDX file of bytes in {dimensions} dimensions")
    return tuple(sizes)


def _cifar_rows(
    path: Path, train: tuple[str, ...], test: tuple[str, ...], label_key: str
) -> tuple[RawRows, RawRows]:
    """Training and test rows of pickled batches in an archive.

    Labels are pickled beside their images, so the archive is read for them once and for the images
    again, a batch in memory at a time.
    """
    labels = {
        name: np.asarray(batch[label_key.encode()])
        for name, batch in _batches(path, {*train, *test})
    }
    return _batch_rows(path, train, labels), _batch_rows(path, test, labels)


def _batch_rows(path: Path, names: tuple[str, ...], labels: Mapping[str, Any]) -> RawRows:
    counts = [len(labels[name]) for name in names]
    starts = dict(zip(names, np.cumsum([0, *counts]).tolist(), strict=False))

    def chunks() -> Iterator[Chunk]:
        for name, batch in _batches(path, set(names)):
            images = batch[b"data"].reshape(len(labels[name]), *CIFAR_SHAPE)
            yield starts[name], images.transpose(0, 2, 3, 1)

    depth, height, width = CIFAR_SHAPE
    target = np.concatenate([labels[name] for name in names])
    return RawRows(target, (height, width, depth), BYTE, chunks)


def _batches(path: Path, names: set[str]) -> Iterator[tuple[str, Any]]:
    """The named batches, in the archive's order. Raises KeyError where one is missing."""
    missing = set(names)
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.name in missing else None
            if stream is not None:
                missing.remove(member.name)
                yield member.name, ArrayUnpickler(stream, encoding="bytes").load()
            if not missing:
                return
    raise KeyError(f"{min(missing)} is not in the archive")


def _same_count(count: int, target: npt.NDArray[Any]) -> None:
    if count != len(target):
        raise ValueError(f"{count} rows have {len(target)} labels")
