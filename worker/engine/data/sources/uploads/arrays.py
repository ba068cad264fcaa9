"""Arrays: one holds the rows, another the target."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.datasets import Arrays, open_arrays
from worker.engine.data.sources.rows import Chunk, RawRows, chunk_rows
from worker.engine.data.sources.uploads.snapshot import Snapshot


def array_rows(snapshot: Snapshot) -> RawRows:
    """Rows as bytes where the array's numbers are bytes or booleans, else as float32."""
    arrays = open_arrays(snapshot.file, snapshot.stored.format)
    classes, target = _target(snapshot, arrays)
    (name,) = snapshot.dataset.features or ()
    if len(target) != snapshot.stored.rows:
        raise ValueError(f"it has {len(target)} rows, expected {snapshot.stored.rows}")
    return RawRows(
        target,
        snapshot.shape.features,
        snapshot.dtype,
        partial(_chunks, snapshot, arrays, name),
        encoding=snapshot.encoding(classes, array=name),
    )


def _target(snapshot: Snapshot, arrays: Arrays) -> tuple[tuple[str, ...] | None, npt.NDArray[Any]]:
    """The classes, and each row's number among them; or None, and each row's value."""
    name = snapshot.dataset.target
    values = np.concatenate([chunk.reshape(-1) for chunk in arrays.chunks(str(name))])
    if snapshot.dataset.task == "regression":
        return None, values.astype(np.float64)
    member = next(each for each in snapshot.stored.arrays or () if each.name == name)
    classes = tuple(each.value for each in member.values or ())
    known = np.array([int(each) for each in classes], values.dtype)
    target = np.searchsorted(known, values).clip(0, len(known) - 1)
    if not np.array_equal(known[target], values):
        raise ValueError(f"its array {name!r} holds values that were not there")
    return classes, target


def _chunks(snapshot: Snapshot, arrays: Arrays, name: str) -> Iterator[Chunk]:
    start = 0
    for chunk in arrays.chunks(name, chunk_rows(snapshot.shape.row_bytes)):
        yield start, chunk.reshape(len(chunk), *snapshot.shape.features).astype(snapshot.dtype)
        start += len(chunk)
