"""Arrays: one holds the features, another the target; a divided file has two for each part."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ridgeline.formats import Arrays, open_arrays
from ridgeline.planning.dataset.arrays import arrays_by_name
from ridgeline.spec.dataset.contents import ArrayMember
from worker.engine.data.sources.rows import Chunk, RawRows, SetRows, chunk_rows, set_rows
from worker.engine.data.sources.stored.snapshot import Snapshot

Classes = tuple[str, ...] | None
"""In the order of their numbers; None if the target is a real value."""


def array_rows(snapshot: Snapshot) -> SetRows:
    """Rows as bytes if the array holds bytes or booleans, else as float32."""
    arrays = open_arrays(snapshot.file, snapshot.stored.format)
    held, (name,) = arrays_by_name(snapshot.stored), snapshot.dataset.features or ()
    features, targets = held[name], held[str(snapshot.dataset.target)]
    classes = None
    if snapshot.dataset.task == "classification":
        classes = tuple(count.value for count in targets["train"].values or ())
    encoding = snapshot.encoding(classes, array=name)
    parts = {
        part: RawRows(
            _target(arrays, targets[part], classes),
            snapshot.shape.features,
            snapshot.dtype,
            partial(_chunks, snapshot, arrays, member),
            encoding=encoding,
        )
        for part, member in features.items()
    }
    return set_rows(parts["train"], validation=parts.get("validation"), test=parts.get("test"))


def _target(arrays: Arrays, member: ArrayMember, classes: Classes) -> npt.NDArray[Any]:
    """Each row's class number, or its value."""
    values = np.concatenate([chunk.reshape(-1) for chunk in _read(arrays, member)])
    if classes is None:
        return values.astype(np.float64)
    known = np.array([int(name) for name in classes], values.dtype)
    target = np.searchsorted(known, values).clip(0, len(known) - 1)
    if not np.array_equal(known[target], values):
        raise ValueError(f"its array {member.name!r} holds values that it did not have when stored")
    return target


def _chunks(snapshot: Snapshot, arrays: Arrays, member: ArrayMember) -> Iterator[Chunk]:
    start = 0
    for chunk in _read(arrays, member, chunk_rows(snapshot.shape.row_bytes)):
        yield start, chunk.reshape(len(chunk), *snapshot.shape.features).astype(snapshot.dtype)
        start += len(chunk)


def _read(
    arrays: Arrays, member: ArrayMember, rows: int | None = None
) -> Iterator[npt.NDArray[Any]]:
    header = arrays.members.get(member.name)
    if header is None or (header.shape, header.dtype.name) != (member.shape, member.dtype):
        raise ValueError(f"its array {member.name!r} has another shape or type than when stored")
    return arrays.chunks(member.name, rows)
