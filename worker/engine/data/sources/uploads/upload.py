"""Reads an uploaded file as a spec says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ridgeline.contract.dataset import UploadDataset
from ridgeline.contract.dataset.stored import DatasetFormat
from ridgeline.contract.job import EndCode
from ridgeline.datasets import UnusableDataset
from worker.engine.context import TrainingFailed
from worker.engine.data.part import Indices
from worker.engine.data.sources.rows import Chunk, RawRows, held_rows
from worker.engine.data.sources.uploads.arrays import array_rows
from worker.engine.data.sources.uploads.images import image_rows
from worker.engine.data.sources.uploads.snapshot import Snapshot
from worker.engine.data.sources.uploads.tables import table_rows

_READERS = {
    DatasetFormat.CSV: table_rows,
    DatasetFormat.PARQUET: table_rows,
    DatasetFormat.NPZ: array_rows,
    DatasetFormat.NPY: array_rows,
    DatasetFormat.IMAGES: image_rows,
}


def upload_rows(dataset: UploadDataset, file: Path | None) -> tuple[RawRows, RawRows]:
    """All rows of an upload that is spelled out, and no test rows of its own.

    Raises TrainingFailed where the file is not there, or is not what was stored.
    """
    snapshot = Snapshot.of(dataset, file)
    with _reading():
        _check_size(snapshot)
        rows = _READERS[snapshot.stored.format](snapshot)
    none = held_rows(np.empty((0, *rows.shape), rows.dtype), rows.target[:0])
    return _guarded(rows), none


def _check_size(snapshot: Snapshot) -> None:
    size = snapshot.file.stat().st_size
    if size != snapshot.stored.bytes:
        raise ValueError(f"it has {size} bytes, expected {snapshot.stored.bytes}")


def _guarded(rows: RawRows) -> RawRows:
    """The rows, with what reading them raises turned into TrainingFailed."""
    fit = rows.fit

    def chunks() -> Iterator[Chunk]:
        with _reading():
            yield from rows.chunks()

    def fitted(train: Indices) -> RawRows:
        with _reading():
            return _guarded(fit(train)) if fit else rows

    return replace(rows, chunks=chunks, fit=fitted if fit else None)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (UnusableDataset, OSError, ValueError) as error:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"the uploaded data set cannot be read as it was stored: {error}; upload it again",
        ) from error
