"""Tables, read in batches: inspection and training read the same cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ridgeline.formats.cells import Census, Extent, describe, parse, within_budget
from ridgeline.formats.csv import CsvFile, check_header, no_rows
from ridgeline.formats.errors import FileRule, shown, unusable
from ridgeline.formats.limits import LIMITS, MEBIBYTE, InspectionLimits
from ridgeline.formats.parquet import ParquetFile, too_many_rows, written_bytes
from ridgeline.spec.dataset.contents import Column, ColumnType, DatasetFormat

_LADDER = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN, ColumnType.TEXT)
"""The types of a CSV column, narrowest first."""
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

    def _survey(self, name: str) -> "_Survey":
        census = Census(len(self.names))
        if isinstance(self.file, ParquetFile):
            return _Survey(name, self.limits.cell_bytes, census, self.file.types[name])
        return _GuessingSurvey(name, self.limits.cell_bytes, census)

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


@dataclass
class _Survey:
    """Collects the description of a column whose type the file declares."""

    name: str
    cell_bytes: int
    census: Census
    kind: ColumnType
    extent: Extent = field(default_factory=Extent)
    missing: int = 0

    def add(self, cells: pa.Array, first: int) -> None:
        """Add cells that start at row `first`. Raises UnusableDataset."""
        _check_lengths(cells, self.name, first, self.cell_bytes)
        self.missing += cells.null_count
        self.census.add(cells)
        self.measure(cells)

    def measure(self, values: pa.Array) -> None:
        """Include numbers in the extent. Raises UnusableDataset if one is infinite."""
        if self.kind in (ColumnType.INTEGER, ColumnType.NUMBER):
            self.extent.add(values)
            _check_finite(self.extent, self.name)

    def result(self) -> Column:
        """The description, after the last cell."""
        return describe(self.name, self.kind, self.missing, self.census.counts, self.extent)


@dataclass
class _GuessingSurvey(_Survey):
    """Infers the type of a column of text: the narrowest that all its cells have."""

    kind: ColumnType = ColumnType.INTEGER
    empty: int = 0
    """Cells that are missing even as text."""
    valued: bool = False
    """Whether any cell had a value of the type."""

    def add(self, cells: pa.Array, first: int) -> None:
        """Add cells that start at row `first`. Raises UnusableDataset."""
        _check_lengths(cells, self.name, first, self.cell_bytes)
        self.empty += pc.sum(pc.equal(cells, "")).as_py() or 0
        self.census.add(cells)
        values = self._narrowest(cells)
        self.missing += values.null_count
        self.valued = self.valued or values.null_count < len(values)
        if self.kind is not ColumnType.TEXT:
            self.measure(values)

    def measure(self, values: pa.Array) -> None:
        """Include numbers in the extent; result() checks that they are finite."""
        if self.kind in (ColumnType.INTEGER, ColumnType.NUMBER):
            self.extent.add(values)

    def result(self) -> Column:
        """The description, after the last cell."""
        if not self.valued:
            self.kind = ColumnType.TEXT
        if self.kind is ColumnType.TEXT:
            self.missing = self.empty
        if self.kind is ColumnType.NUMBER:
            _check_finite(self.extent, self.name)
        return describe(self.name, self.kind, self.missing, self._counts(), self.extent)

    def _narrowest(self, cells: pa.Array) -> pa.Array:
        while True:
            try:
                return parse(cells, self.kind)
            except pa.ArrowInvalid:
                self.kind = self._wider()

    def _wider(self) -> ColumnType:
        """The next wider type. Once numbers were seen, it cannot be boolean, only text."""
        if self.kind is ColumnType.NUMBER and self.valued:
            return ColumnType.TEXT
        return _LADDER[_LADDER.index(self.kind) + 1]

    def _counts(self) -> dict[object, int] | None:
        """The counts by value instead of by text: `1` and `1.0` are one number."""
        if self.census.counts is None:
            return None
        cells = pa.array(self.census.counts, pa.string())
        counts: dict[object, int] = {}
        values = parse(cells, self.kind).to_pylist()
        for value, rows in zip(values, self.census.counts.values(), strict=True):
            if value is not None:
                counts[value] = counts.get(value, 0) + rows
        return counts


def _check_lengths(cells: pa.Array, name: str, first: int, most: int) -> None:
    """Raise UnusableDataset if a cell of text is too long."""
    is_dictionary = pa.types.is_dictionary(cells.type)
    texts = cells.dictionary if is_dictionary else cells
    if not pa.types.is_string(texts.type):
        return
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > most:
        raise unusable(
            FileRule.GIANT_CELL,
            f"column {shown(name)} contains a cell of {longest:,} bytes in the {len(cells):,} rows"
            f" from row {first:,}, expected at most {most:,}: close every quotation mark, or"
            " shorten it",
            "columns",
            name,
        )


def _check_finite(extent: Extent, name: str) -> None:
    if not extent.is_finite:
        raise unusable(
            FileRule.NOT_FINITE,
            f"column {shown(name)} contains an infinite number, expected finite ones: leave the"
            " cell empty if the value is missing",
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
