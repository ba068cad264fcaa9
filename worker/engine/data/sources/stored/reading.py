"""Reads the file of a stored data set according to a spec."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ridgeline.api.job import EndCode
from ridgeline.formats import UnusableDataset
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.dataset.contents import DatasetFormat
from worker.engine.context import TrainingFailed
from worker.engine.data.part import Indices
from worker.engine.data.sources.rows import Chunk, RawRows, SetRows, set_rows
from worker.engine.data.sources.stored.arrays import array_rows
from worker.engine.data.sources.stored.images import image_rows
from worker.engine.data.sources.stored.snapshot import Snapshot
from worker.engine.data.sources.stored.tables import table_rows

_READERS: dict[DatasetFormat, Callable[[Snapshot], SetRows]] = {
    DatasetFormat.CSV: lambda snapshot: set_rows(table_rows(snapshot)),
    DatasetFormat.PARQUET: lambda snapshot: set_rows(table_rows(snapshot)),
    DatasetFormat.NPZ: array_rows,
    DatasetFormat.NPY: array_rows,
    DatasetFormat.IMAGES: lambda snapshot: set_rows(image_rows(snapshot)),
}


def stored_rows(dataset: UploadDataset, file: Path | None) -> SetRows:
    """All rows of a stored data set with its options spelled out, by part if the file is divided.

    Raises TrainingFailed if the file is missing, or not the one that was stored.
    """
    snapshot = Snapshot.of(dataset, file)
    with _reading():
        _check_size(snapshot)
        rows = _READERS[snapshot.stored.format](snapshot)
    return SetRows(*map(_guarded, rows))


def _check_size(snapshot: Snapshot) -> None:
    size = snapshot.file.stat().st_size
    if size != snapshot.stored.bytes:
        raise ValueError(f"it has {size} bytes, expected {snapshot.stored.bytes}")


def _guarded(rows: RawRows) -> RawRows:
    """The rows; errors in reading them become TrainingFailed."""
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
            f"the stored data set has changed and cannot be read: {error}; store it again with POST"
            " /datasets",
        ) from error
