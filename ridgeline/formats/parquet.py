"""Parquet files: their columns, and their rows as values of the four column types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ridgeline.formats.cells import ARROW_TYPES, without_nan
from ridgeline.formats.csv import no_rows
from ridgeline.formats.errors import (
    FileRule,
    UnusableDataset,
    check_columns,
    fault,
    shown,
    unusable,
)
from ridgeline.formats.limits import BLOCK_BYTES, MEBIBYTE, InspectionLimits, block_bytes
from ridgeline.spec.dataset.contents import ColumnType
from ridgeline.spec.faults import Fault

_MOST_BATCH_ROWS = 65_536
_SMALL_FILE_BYTES = 16 * MEBIBYTE


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file with columns of single values, read one row group at a time."""

    path: Path
    limits: InspectionLimits

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names. Raises UnusableDataset if the file holds no table."""
        return tuple(self.types)

    @cached_property
    def types(self) -> dict[str, ColumnType]:
        """The type of each column. Raises UnusableDataset if a column has none of the four."""
        with self._open() as file:
            self._check(file.metadata)
            schema = file.schema_arrow
        check_columns(schema.names, self.limits.columns)
        kinds = {column.name: _kind(column.type) for column in schema}
        faults = [_no_type(schema.field(name)) for name, kind in kinds.items() if kind is None]
        if faults:
            raise UnusableDataset(faults)
        return {name: kind for name, kind in kinds.items() if kind is not None}

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns of all rows. Text may be dictionary-encoded.

        Raises UnusableDataset if a cell does not have its column's type, or the file is damaged.
        """
        kinds = {name: self.types[name] for name in names}
        budget = _Budget(self.path.stat().st_size, self.limits)
        rows = 0
        try:
            with self._open(self._spelled) as file:
                size = _batch_rows(file.metadata, len(self.types))
                for batch in file.iter_batches(size, columns=list(names), use_threads=False):
                    columns = [_values(batch, name, kind) for name, kind in kinds.items()]
                    budget.spend(columns)
                    rows += batch.num_rows
                    yield pa.RecordBatch.from_arrays(columns, names=list(names))
                promised = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error
        if rows != promised:
            raise _damaged(f"its footer declares {promised:,} rows but it holds {rows:,}")

    @property
    def _spelled(self) -> tuple[str, ...]:
        """Columns that are read as indices into a dictionary of their values.

        A small file can repeat a long value a million times, which would fill the memory if written
        out. In a large file Arrow would collect all distinct values instead. (The sizes in the
        footer may be false, and Arrow aborts the process if they cannot be parsed.)
        """
        if self.path.stat().st_size > _SMALL_FILE_BYTES:
            return ()
        return tuple(name for name, kind in self.types.items() if kind is ColumnType.TEXT)

    def _open(self, read_dictionary: Sequence[str] = ()) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(
                self.path,
                memory_map=False,
                pre_buffer=False,  # with it, a whole row group is read at once
                buffer_size=BLOCK_BYTES,
                read_dictionary=list(read_dictionary),
                page_checksum_verification=True,
            )
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error

    def _check(self, metadata: pq.FileMetaData) -> None:
        if metadata.num_rows < 1:
            raise no_rows()
        if metadata.num_rows > self.limits.rows:
            raise too_many_rows(metadata.num_rows, self.limits.rows)


def too_many_rows(rows: int, most: int) -> UnusableDataset:
    """The error of a table with too many rows."""
    return unusable(
        FileRule.TOO_MANY_ROWS,
        f"the table has {rows:,} rows or more, expected at most {most:,}: upload a sample of them",
        "rows",
    )


@dataclass
class _Budget:
    """Limits the size of the decoded cells: a small file can encode very many."""

    file_bytes: int
    limits: InspectionLimits
    spent: int = 0

    def spend(self, columns: Sequence[pa.Array]) -> None:
        """Add the decoded size of a batch. Raises UnusableDataset beyond the limit."""
        self.spent += sum(map(written_bytes, columns))
        inflated = self.limits.free_bytes + self.limits.table_ratio * self.file_bytes
        most = min(self.limits.inflated_bytes, inflated)
        if self.spent > most:
            raise unusable(
                FileRule.TABLE_BOMB,
                f"the cells decode to more than {most // MEBIBYTE:,} MiB, in a file of"
                f" {self.file_bytes:,} bytes: drop constant columns, or upload a sample",
                "rows",
            )


def written_bytes(values: pa.Array) -> int:
    """The size of values once dictionaries are written out, in bytes."""
    if not pa.types.is_dictionary(values.type):
        return int(values.nbytes)
    lengths = pc.binary_length(values.dictionary)
    return int(pc.sum(pc.cast(pc.take(lengths, values.indices), pa.int64())).as_py() or 0)


def _damaged(error: Exception | str) -> Exception:
    """The error of a file that Arrow cannot read."""
    if isinstance(error, MemoryError):
        return error
    message = str(error)
    if "crypt" in message.lower():
        return unusable(
            FileRule.ENCRYPTED,
            "the file is encrypted, and keys are not supported: write it without encryption",
        )
    return unusable(
        FileRule.DAMAGED,
        f"the file cannot be read as Parquet ({shown(message)}): it may have been truncated in"
        " transfer; write it and upload it again",
    )


def _kind(kind: pa.DataType) -> ColumnType | None:
    """The column type for an Arrow type; None if its cells are not single values."""
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    if pa.types.is_integer(kind):
        return ColumnType.INTEGER
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_duration(kind):
        return ColumnType.NUMBER
    if pa.types.is_boolean(kind):
        return ColumnType.BOOLEAN
    if any(test(kind) for test in _TEXT):
        return ColumnType.TEXT
    return None


_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_null,
)


def _no_type(column: pa.Field) -> Fault:
    if pa.types.is_nested(column.type):
        fix = "flatten it into plain columns, or upload arrays in an NPZ file"
    else:
        fix = "write it as numbers or text, or drop it"
    return fault(
        FileRule.COLUMN_TYPE,
        f"column {shown(column.name)} holds {shown(str(column.type))}, expected one number,"
        f" boolean, text or date a cell: {fix}",
        "columns",
        column.name,
    )


def _batch_rows(metadata: pq.FileMetaData, columns: int) -> int:
    """The number of rows that keeps a batch small, given the row sizes in the footer."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    heaviest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    row_bytes = max(8 * columns, heaviest, 1)
    return max(1, min(_MOST_BATCH_ROWS, 2 * block_bytes(columns) // row_bytes))


def _values(batch: pa.RecordBatch, name: str, kind: ColumnType) -> pa.Array:
    """The column's cells, cast to its type."""
    try:
        return _converted(batch.column(name), kind)
    except pa.ArrowInvalid as error:
        raise unusable(
            FileRule.CELL_TYPE,
            f"column {shown(name)} contains a value that is not a {kind.value}"
            f" ({shown(str(error))}): write the column with another type",
            "columns",
            name,
        ) from error


def _converted(values: pa.Array, kind: ColumnType) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        if kind is not ColumnType.TEXT:
            return _converted(values.dictionary_decode(), kind)
        words = _converted(values.dictionary, kind)
        return pa.DictionaryArray.from_arrays(values.indices, words)
    if pa.types.is_timestamp(values.type):
        return _iso(values)
    if pa.types.is_duration(values.type):
        micros = pc.cast(pc.cast(values, pa.duration("us"), safe=False), pa.int64())
        return pc.divide(pc.cast(micros, pa.float64()), 1e6)
    converted = pc.cast(values, ARROW_TYPES[kind])
    if kind is ColumnType.TEXT:
        _check_text(converted)
    return without_nan(converted) if kind is ColumnType.NUMBER else converted


def _check_text(values: pa.Array) -> None:
    """Raise pyarrow.ArrowInvalid if text is not UTF-8, or contains NUL, which databases reject."""
    values.validate(full=True)
    if pc.any(pc.match_substring(values, "\0")).as_py():
        raise pa.ArrowInvalid("a cell contains a NUL character")


def _iso(timestamps: pa.Array) -> pa.Array:
    """Timestamps in ISO 8601; those with a time zone are in UTC."""
    naive = pc.cast(pc.cast(timestamps, pa.int64()), pa.timestamp(timestamps.type.unit))
    written = pc.replace_substring(pc.cast(naive, pa.string()), " ", "T", max_replacements=1)
    return pc.binary_join_element_wise(written, "Z", "") if timestamps.type.tz else written
