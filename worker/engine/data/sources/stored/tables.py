"""Rows of a table: every feature column encoded, one beside the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ridgeline.api.features import ColumnFeatures, RowEncoding
from ridgeline.formats import Table, open_table
from ridgeline.planning.dataset.columns import acts_on_numbers, width
from ridgeline.spec.dataset.contents import Column
from worker.engine.data.part import Indices
from worker.engine.data.sources.rows import Chunk, RawRows, chunk_rows
from worker.engine.data.sources.stored.columns import (
    Encoder,
    Learner,
    encoder_or_learner,
    floats,
    places,
)
from worker.engine.data.sources.stored.snapshot import Snapshot

Makers = Mapping[str, Encoder | Learner]


def table_rows(snapshot: Snapshot) -> RawRows:
    """The rows of a CSV or Parquet file; what encodes them is learned of the training rows."""
    columns = {column.name: column for column in snapshot.stored.columns or ()}
    types = {name: column.type for name, column in columns.items()}
    table = open_table(snapshot.file, snapshot.stored.format, types)
    classes, target = _target(snapshot, table, columns[str(snapshot.dataset.target)])
    if len(target) != snapshot.stored.rows:
        raise ValueError(f"it has {len(target)} rows, expected {snapshot.stored.rows}")
    reader = _TableReader(snapshot, table, columns, classes)
    rows = RawRows(
        target,
        snapshot.shape.features,
        snapshot.dtype,
        chunks=partial(iter, ()),  # nothing is encoded before it is learned how
        unscaled=reader.unscaled,
    )
    return replace(rows, fit=partial(reader.fitted, rows))


def _target(
    snapshot: Snapshot, table: Table, column: Column
) -> tuple[tuple[str, ...] | None, npt.NDArray[Any]]:
    """The classes, and each row's number among them; or None, and each row's value."""
    batches = (batch.column(0) for batch in table.batches([column.name]))
    if snapshot.dataset.task == "regression":
        return None, np.concatenate([_values(cells) for cells in batches])
    classes = tuple(each.value for each in column.values or ())
    target = np.concatenate([places(cells, column.type, classes) for cells in batches])
    if np.any(target < 0):
        raise ValueError(f"its column {column.name!r} holds values that were not there")
    return classes, target


def _values(cells: pa.Array) -> npt.NDArray[Any]:
    if cells.null_count:
        raise ValueError("a value of the target is missing that was there")
    return np.asarray(floats(cells).to_numpy(zero_copy_only=False))


@dataclass(frozen=True)
class _TableReader:
    """Reads a table's feature columns."""

    snapshot: Snapshot
    table: Table
    columns: Mapping[str, Column]
    classes: tuple[str, ...] | None

    @property
    def unscaled(self) -> npt.NDArray[np.bool_]:
        """Which numbers of a row are no quantities, so that scaling passes over them."""
        encodings = self.snapshot.dataset.encodings.values()
        return np.concatenate(
            [np.full(width(each), not acts_on_numbers(each)) for each in encodings]
        )

    def fitted(self, rows: RawRows, train: Indices) -> RawRows:
        """`rows`, encoded by what the training rows show."""
        encoders = self._encoders(train)
        encoding = self._encoding(encoders)
        return replace(rows, chunks=partial(self._chunks, encoders), fit=None, encoding=encoding)

    def _encoders(self, train: Indices) -> dict[str, Encoder]:
        makers: Makers = {
            name: encoder_or_learner(encoding, self.columns[name])
            for name, encoding in self.snapshot.dataset.encodings.items()
        }
        learners = {name: each for name, each in makers.items() if isinstance(each, Learner)}
        if learners:
            trained = np.zeros(self.snapshot.stored.rows, bool)
            trained[train] = True
            for start, batch in self._batches(list(learners)):
                cells = batch.filter(pa.array(trained[start : start + batch.num_rows]))
                for index, learner in enumerate(learners.values()):
                    learner.learn(cells.column(index))
        return {
            name: each.encoder() if isinstance(each, Learner) else each
            for name, each in makers.items()
        }

    def _batches(self, names: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The named columns, each batch with the number of its first row."""
        start = 0
        for batch in self.table.batches(names):
            yield start, batch
            start += batch.num_rows

    def _chunks(self, encoders: Mapping[str, Encoder]) -> Iterator[Chunk]:
        step = chunk_rows(self.snapshot.shape.row_bytes)
        for first, batch in self._batches(list(encoders)):
            for start in range(0, batch.num_rows, step):
                yield first + start, self._encoded(batch.slice(start, step), encoders)

    def _encoded(self, batch: pa.RecordBatch, encoders: Mapping[str, Encoder]) -> npt.NDArray[Any]:
        encoded = np.zeros((batch.num_rows, *self.snapshot.shape.features), self.snapshot.dtype)
        place = 0
        for index, (name, encoder) in enumerate(encoders.items()):
            end = place + width(self.snapshot.dataset.encodings[name])
            encoder.encode(batch.column(index), encoded[:, place:end])
            place = end
        return encoded

    def _encoding(self, encoders: Mapping[str, Encoder]) -> RowEncoding:
        columns, place = [], 0
        for name, encoder in encoders.items():
            encoding = self.snapshot.dataset.encodings[name]
            columns.append(
                ColumnFeatures(
                    name=name,
                    type=self.columns[name].type,
                    encoding=encoding.type,
                    first=place,
                    width=width(encoding),
                    **encoder.described(),
                )
            )
            place += width(encoding)
        return self.snapshot.encoding(self.classes, columns=tuple(columns))
