"""CSV and Parquet tables, read in batches for inspection and training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from ridgeline.formats.cells import Census, parse, within_budget
from ridgeline.formats.column_types import ColumnSurvey, InferringSurvey
from ridgeline.formats.csv import CsvFile, check_header, no_rows
from ridgeline.formats.errors import FileRule, shown, unusable
from ridgeline.formats.limits import LIMITS, MEBIBYTE, InspectionLimits
from ridgeline.formats.parquet import ParquetFile, too_many_rows, written_bytes
from ridgeline.spec.dataset.contents import Column, ColumnType, DatasetFormat

_PIECE_BYTES = 16 * MEBIBYTE
"""Size limit of a batch, about."""


def open_table(
    path: Path,
    format: DatasetFormat,  # noqa: A002 # as the API calls it
    types: Mapping[str, ColumnType] | None = None,
    limits: InspectionLimits = LIMITS,
) -> "Table":
    """A CSV or Parquet file. `types` from an earlier inspection saves inferring them again.

    Raises UnusableDataset if it has no readable columns.
    """
    file = ParquetFile(path, limits) if format is DatasetFormat.PARQUET else CsvFile(path, limits)
    return Table(file, file.names, types or {}, limits)


@dataclass(frozen=True)
class Table:
    """A file with named columns."""

    file: CsvFile | ParquetFile
    names: tuple[str, ...]
    known: Mapping[str, ColumnType]
    """Types that need not be inferred again."""
    limits: InspectionLimits

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in the order of the file, which is read whole, once.

        Raises UnusableDataset at the first fault.
        """
        return self._inspected[0]

    @property
    def rows(self) -> int:
        """The number of rows, at least one. Reads and raises as `columns` does."""
        return self._inspected[1]

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns of all rows in order, a few MiB at a time.

        An integer is int64, a number float64, a boolean bool, and text string; a missing cell is
        null. Raises UnusableDataset if a column does not exist, or a cell does not have its type.
        """
        self._check_names(names)
        types = {name: self._type(name) for name in names}
        first = 1
        for batch in self.file.batches(names):
            for piece in _pieces(batch):
                columns = [
                    self._typed(piece.column(name), name, kind, first)
                    for name, kind in types.items()
                ]
                yield pa.RecordBatch.from_arrays(columns, names=list(types))
            first += batch.num_rows

    @cached_property
    def _inspected(self) -> tuple[tuple[Column, ...], int]:
        columns = [self._survey(name) for name in self.names]
        rows = 0
        for batch in self.file.batches(self.names):
            for column, values in zip(columns, batch.columns, strict=True):
                column.add(values, rows + 1)
            rows += batch.num_rows
            if rows > self.limits.rows:
                raise too_many_rows(rows, self.limits.rows)
        if not rows:
            raise no_rows()
        described = [column.result() for column in columns]
        if isinstance(self.file, CsvFile):
            check_header(described)
        return within_budget(described), rows

    def _survey(self, name: str) -> "ColumnSurvey":
        census = Census(len(self.names))
        if isinstance(self.file, ParquetFile):
            return ColumnSurvey(name, self.limits.cell_bytes, census, self.file.types[name])
        return InferringSurvey(name, self.limits.cell_bytes, census)

    def _type(self, name: str) -> ColumnType:
        if isinstance(self.file, ParquetFile):
            return self.file.types[name]
        if name in self.known:
            return self.known[name]
        return next(column.type for column in self.columns if column.name == name)

    def _typed(self, cells: pa.Array, name: str, kind: ColumnType, first: int) -> pa.Array:
        if pa.types.is_dictionary(cells.type):
            return cells.dictionary_decode()
        if isinstance(self.file, ParquetFile):
            return cells
        try:
            return parse(cells, kind)
        except pa.ArrowInvalid as error:
            raise unusable(
                FileRule.CELL_TYPE,
                f"column {shown(name)} contains a cell that is not a {kind.value}, in the"
                f" {len(cells):,} rows from row {first:,}: correct it",
                "columns",
                name,
            ) from error

    def _check_names(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.names:
                raise unusable(
                    FileRule.UNKNOWN_COLUMN,
                    f"there is no column {shown(name)}; expected one of"
                    f" {shown(', '.join(self.names))}",
                    "columns",
                    name,
                )


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split a batch into pieces that stay small once dictionaries are written out."""
    written = sum(map(written_bytes, batch.columns))
    if written <= _PIECE_BYTES or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half))
    yield from _pieces(batch.slice(half))
