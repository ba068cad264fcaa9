"""Any data set reads back as it was written."""

import csv
import io
import math
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ridgeline.formats import UnusableDataset, inspect_dataset, open_arrays, open_table, texts
from ridgeline.spec.dataset.contents import ColumnType, DatasetFormat

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(LETTERS, max_size=20)
CELLS = {
    ColumnType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ColumnType.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.TEXT: TEXTS.filter(bool),
}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[object]]:
    """Columns of equal length and of one type each, with missing cells."""
    kinds = draw(st.lists(st.sampled_from(list(ColumnType)), min_size=1, max_size=4))
    rows = draw(st.integers(1, 30))
    return {
        f"{kind.value} {number}": draw(
            st.lists(st.none() | CELLS[kind], min_size=rows, max_size=rows)
        )
        for number, kind in enumerate(kinds)
    }


@given(tables())
@settings(max_examples=60)
def test_csv_reads_back_what_was_written(columns: dict[str, list[object]]) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows(
        ["" if cell is None else csv_text(cell) for cell in row]
        for row in zip(*columns.values(), strict=True)
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(stream.getvalue(), newline="")
        assert_read(path, DatasetFormat.CSV, columns)


@given(tables())
@settings(max_examples=60)
def test_parquet_reads_back_what_was_written(columns: dict[str, list[object]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        types = [ARROW[declared_type(name)] for name in columns]
        table = pa.table(
            [pa.array(cells, kind) for cells, kind in zip(columns.values(), types, strict=True)],
            names=list(columns),
        )
        pq.write_table(table, path, row_group_size=7)
        assert_read(path, DatasetFormat.PARQUET, columns)


@given(
    arrays.arrays(
        st.sampled_from(["?", "i1", "<i4", ">i8", "u2", "f2", "<f4", ">f8"]),
        arrays.array_shapes(max_dims=4, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    st.booleans(),
    st.integers(1, 6),
)
@settings(max_examples=100)
def test_arrays_read_back_what_was_written(
    array: npt.NDArray[Any], fortran: bool, rows: int
) -> None:
    written = np.asfortranarray(array) if fortran else array
    with TemporaryDirectory() as folder:
        npz, npy = Path(folder) / "arrays.npz", Path(folder) / "arrays.npy"
        np.savez_compressed(npz, x=written)
        with npy.open("wb") as file:
            np.save(file, written)
            np.save(file, written)
        for path, format_ in ((npz, DatasetFormat.NPZ), (npy, DatasetFormat.NPY)):
            read = np.concatenate(list(open_arrays(path, format_).chunks("x", rows)))
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype.newbyteorder("=")
            assert inspect_dataset(path, format_).rows == len(array)


@given(st.binary(max_size=300), st.sampled_from([None, *DatasetFormat]))
@settings(max_examples=150)
def test_any_bytes_are_read_or_rejected(content: bytes, format_: DatasetFormat | None) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(content)
        with suppress(UnusableDataset):
            assert inspect_dataset(path, format_).rows > 0


ARROW = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TEXT: pa.string(),
}


def assert_read(path: Path, format_: DatasetFormat, columns: dict[str, list[object]]) -> None:
    """Assert that types, cells and counts equal those of the written table."""
    table = open_table(path, format_)
    assert table.names == tuple(columns)
    for column in table.columns:
        cells = columns[column.name]
        (batch,) = [pa.Table.from_batches(table.batches([column.name])).column(0).combine_chunks()]
        if column.type is not declared_type(column.name):
            assert is_narrower(column.type, cells)
            continue
        assert batch.to_pylist() == cells
        assert column.missing == cells.count(None)
        counted = {value.value: value.rows for value in column.values or ()}
        assert sum(counted.values()) == len(cells) - column.missing
        assert set(texts(batch).drop_null().to_pylist()) == counted.keys()


def is_narrower(inferred: ColumnType, cells: list[object]) -> bool:
    """Whether a narrower type was inferred: text of numbers only, or a column without a value."""
    present = [cell for cell in cells if cell is not None]
    if not present:
        return inferred is ColumnType.TEXT
    if isinstance(present[0], float):
        return inferred is ColumnType.INTEGER and all(cell == int(cell) for cell in present)  # type: ignore[call-overload]
    return isinstance(present[0], str)


def declared_type(name: str) -> ColumnType:
    return ColumnType(name.split(" ", maxsplit=1)[0])


def csv_text(cell: object) -> str:
    if isinstance(cell, float):
        assert math.isfinite(cell)
        return repr(cell)
    return str(cell)
