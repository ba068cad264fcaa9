import datetime as dt
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from ridgeline.formats import InspectionLimits, UnusableDataset, inspect_dataset, open_table
from ridgeline.spec.dataset.contents import Column, ColumnType, DatasetFormat
from tests.unit.formats.refusals import refusal, refusals

Write = Callable[..., Path]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.parquet"


@pytest.fixture
def write(path: Path) -> Write:
    def write(columns: dict[str, Any] | pa.Table, **options: Any) -> Path:
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pq.write_table(table, path, **options)
        return path

    return write


def columns(path: Path) -> dict[str, Column]:
    return {column.name: column for column in inspect_dataset(path).columns or ()}


def values(path: Path, name: str) -> list[object]:
    batches = open_table(path, DatasetFormat.PARQUET).batches([name])
    return [value for batch in batches for value in batch.column(name).to_pylist()]


SUMMER = dt.datetime(2020, 7, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))


class TestTypes:
    @pytest.mark.parametrize(
        ("cells", "kind", "read"),
        [
            (pa.array([1, None], pa.int8()), ColumnType.INTEGER, [1, None]),
            (pa.array([2**63 - 1], pa.uint64()), ColumnType.INTEGER, [2**63 - 1]),
            (
                pa.array([0.5, None, float("nan")], pa.float32()),
                ColumnType.NUMBER,
                [0.5, None, None],
            ),
            (pa.array([0.5], pa.float16()), ColumnType.NUMBER, [0.5]),
            (pa.array([Decimal("1.10"), None]), ColumnType.NUMBER, [1.1, None]),
            (pa.array([True, None]), ColumnType.BOOLEAN, [True, None]),
            (pa.array(["é", None]), ColumnType.TEXT, ["é", None]),
            (pa.array(["x"], pa.large_string()), ColumnType.TEXT, ["x"]),
            (pa.array(["x"], pa.string_view()), ColumnType.TEXT, ["x"]),
            (pa.array(["b", "a", "b"]).dictionary_encode(), ColumnType.TEXT, ["b", "a", "b"]),
            (
                pa.array(["b", None, "b"], pa.large_string()).dictionary_encode(),
                ColumnType.TEXT,
                ["b", None, "b"],
            ),
            (pa.array([7, 8, 7]).dictionary_encode(), ColumnType.INTEGER, [7, 8, 7]),
            (pa.array([dt.date(2020, 1, 2)]), ColumnType.TEXT, ["2020-01-02"]),
            (pa.array([dt.time(1, 2)], pa.time32("s")), ColumnType.TEXT, ["01:02:00.000"]),
            (
                pa.array([dt.datetime(2020, 1, 2, 3, 4, 5)], pa.timestamp("ms")),  # noqa: DTZ001 # naive on purpose
                ColumnType.TEXT,
                ["2020-01-02T03:04:05.000"],
            ),
            (
                pa.array([SUMMER, None], pa.timestamp("us", "Europe/Berlin")),
                ColumnType.TEXT,
                ["2020-07-01T10:00:00.000000Z", None],
            ),
            (pa.array([dt.timedelta(seconds=90)]), ColumnType.NUMBER, [90.0]),
            (pa.nulls(2), ColumnType.TEXT, [None, None]),
        ],
        ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
    )
    def test_arrow_type_maps_to_a_column_type(
        self, write: Write, cells: pa.Array, kind: ColumnType, read: list[object]
    ) -> None:
        path = write({"a": cells})
        column = columns(path)["a"]
        assert (column.type, column.missing) == (kind, read.count(None))
        assert values(path, "a") == read

    @pytest.mark.parametrize(
        "cells",
        [
            pa.array([[1, 2], [3]]),
            pa.array([{"x": 1}]),
            pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            pa.array([b"\x00\xff"]),
            pa.array([b"1234"], pa.binary(4)),
        ],
        ids=lambda value: str(value.type),
    )
    def test_nested_and_binary_columns_are_rejected(self, write: Write, cells: pa.Array) -> None:
        fault = refusal(write({"ok": pa.nulls(len(cells)), "odd": cells}))
        assert (fault.rule, fault.pointer) == ("column-type", "/columns/odd")
        assert "expected one number" in fault.detail

    def test_every_unusable_column_is_named(self, write: Write) -> None:
        faults = refusals(write({"a": [[1]], "b": [1], "c": [{"x": 1}]}))
        assert [fault.pointer for fault in faults] == ["/columns/a", "/columns/c"]

    def test_integer_above_64_bits_signed_is_rejected(self, write: Write) -> None:
        fault = refusal(write({"a": pa.array([2**64 - 1], pa.uint64())}))
        assert (fault.rule, fault.pointer) == ("cell-type", "/columns/a")

    def test_infinite_number_is_rejected(self, write: Write) -> None:
        assert refusal(write({"a": [1.0, float("inf")]})).rule == "not-finite"

    def test_text_that_is_not_utf_8_is_rejected(self, write: Write) -> None:
        """Parquet declares `string` without checking the bytes."""
        cells = pa.Array.from_buffers(
            pa.string(),
            1,
            [None, pa.py_buffer(struct.pack("<2i", 0, 2)), pa.py_buffer(b"\xff\xfe")],
        )
        assert refusal(write({"a": cells})).rule == "cell-type"
        assert refusal(write({"a": cells}, use_dictionary=False)).rule == "cell-type"

    def test_nul_in_text_is_rejected(self, write: Write) -> None:
        """PostgreSQL cannot store NUL, and the text could become a class name."""
        assert refusal(write({"a": ["x\0y"]})).rule == "cell-type"

    def test_cell_above_the_limit_is_rejected(self, write: Write) -> None:
        fault = refusal(write({"a": ["x" * 101]}), limits=InspectionLimits(cell_bytes=100))
        assert (fault.rule, fault.pointer) == ("giant-cell", "/columns/a")


class TestColumns:
    def test_values_are_counted_and_sorted(self, write: Write) -> None:
        column = columns(write({"label": ["b", "a", "b"], "n": [3, 1, 2]}))["label"]
        assert [(value.value, value.rows) for value in column.values or ()] == [("a", 1), ("b", 2)]

    def test_minimum_maximum_and_distinct_ignore_missing_cells(self, write: Write) -> None:
        column = columns(write({"n": [3.5, None, -1.0]}))["n"]
        assert (column.minimum, column.maximum, column.distinct) == (-1.0, 3.5, 2)

    def test_duplicate_column_names_are_rejected(self, path: Path) -> None:
        table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
        pq.write_table(table, path)
        assert refusal(path).rule == "duplicate-column"

    def test_column_without_a_name_is_rejected(self, write: Write) -> None:
        assert refusal(write({"": [1], "b": [2]})).rule == "column-name"

    def test_more_columns_than_the_limit_are_rejected(self, write: Write) -> None:
        path = write({f"c{n}": [1] for n in range(12)})
        assert refusal(path, limits=InspectionLimits(columns=10)).rule == "too-many-columns"

    def test_table_without_columns_is_rejected(self, write: Write) -> None:
        assert refusal(write(pa.table({}))).rule == "no-rows"


class TestRows:
    def test_table_without_rows_is_rejected(self, write: Write) -> None:
        assert refusal(write({"a": pa.array([], pa.int64())})).rule == "no-rows"

    def test_file_without_row_groups_is_rejected(self, path: Path) -> None:
        pq.ParquetWriter(path, pa.schema([("a", pa.int64())])).close()
        assert pq.read_metadata(path).num_row_groups == 0
        assert refusal(path).rule == "no-rows"

    def test_more_rows_than_the_limit_are_rejected(self, write: Write) -> None:
        fault = refusal(write({"a": [1, 2, 3]}), limits=InspectionLimits(rows=2))
        assert fault.rule == "too-many-rows"

    def test_rows_keep_their_order_across_row_groups(self, write: Write) -> None:
        path = write({"a": list(range(100)), "t": [f"w{n}" for n in range(100)]}, row_group_size=7)
        assert values(path, "a") == list(range(100))
        assert values(path, "t") == [f"w{n}" for n in range(100)]

    def test_much_distinct_text_is_read_in_small_batches(self, write: Write) -> None:
        """Arrow would collect all texts of a large file in one dictionary."""
        words = [f"{n:0200d}" for n in range(100_000)]
        path = write({"t": words}, compression="none")
        table = open_table(path, DatasetFormat.PARQUET)
        assert max(batch.nbytes for batch in table.batches(["t"])) < 20 * 2**20
        assert values(path, "t") == words

    def test_repeated_long_text_that_expands_to_gigabytes_is_rejected(self, path: Path) -> None:
        """100 KiB on disk, 100 GB when decoded."""
        indices = pa.array([0] * 1_000_000, pa.int32())
        word = pa.DictionaryArray.from_arrays(indices, pa.array(["w" * 100_000]))
        pq.write_table(pa.table({"a": word}), path, store_schema=False)
        fault = refusal(path)
        assert fault.rule == "table-bomb"
        assert pa.default_memory_pool().max_memory() < 2**30

    def test_long_texts_are_read_in_small_batches(self, path: Path) -> None:
        indices = pa.array([0] * 100, pa.int32())
        word = pa.DictionaryArray.from_arrays(indices, pa.array(["w" * 1_000_000]))
        pq.write_table(pa.table({"a": word}), path, store_schema=False)
        batches = list(open_table(path, DatasetFormat.PARQUET).batches(["a"]))
        assert sum(batch.num_rows for batch in batches) == 100
        assert max(batch.nbytes for batch in batches) <= 17 * 2**20


class TestDamage:
    @pytest.mark.parametrize("kept", [4, 100, -1, -9])
    def test_truncated_file_is_rejected(self, write: Write, kept: int) -> None:
        path = write({"a": list(range(1000))})
        path.write_bytes(path.read_bytes()[:kept])
        fault = refusal(path, DatasetFormat.PARQUET if kept == 4 else None)
        assert fault.rule in ("damaged", "format-mismatch")

    def test_footer_longer_than_the_file_is_rejected(self, write: Write) -> None:
        path = write({"a": [1, 2]})
        content = path.read_bytes()
        path.write_bytes(content[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")
        assert refusal(path).rule == "damaged"

    def test_footer_of_zeros_is_rejected(self, path: Path) -> None:
        path.write_bytes(b"PAR1" + b"\0" * 64 + struct.pack("<I", 32) + b"PAR1")
        assert refusal(path).rule == "damaged"

    def test_row_count_that_differs_from_the_row_groups_is_rejected(self, write: Write) -> None:
        """The count is stored three times; here the file's differs from that of its row groups."""
        path = write({"a": list(range(1000))}, use_dictionary=False, write_statistics=False)
        content = path.read_bytes()
        row_count = b"\x16\xd0\x0f\x19"  # Thrift's 1,000, then the list of row groups
        assert content.count(row_count) == 1
        path.write_bytes(content.replace(row_count, b"\x16\xd2\x0f\x19"))
        fault = refusal(path)
        assert fault.rule == "damaged"
        assert "1,001" in fault.detail

    def test_damaged_page_is_rejected(self, write: Write) -> None:
        path = write({"a": list(range(1000))}, compression="zstd")
        content = bytearray(path.read_bytes())
        content[4:60] = b"\xff" * 56
        path.write_bytes(content)
        assert refusal(path).rule == "damaged"

    def test_page_with_a_wrong_checksum_is_rejected(self, write: Write) -> None:
        options = {"compression": "none", "write_page_checksum": True, "use_dictionary": False}
        path = write({"a": list(range(1000))}, **options)
        content = path.read_bytes()
        number = struct.pack("<q", 500)
        assert content.count(number) == 1
        path.write_bytes(content.replace(number, struct.pack("<q", 501)))
        assert refusal(path).rule == "damaged"

    @pytest.mark.parametrize("plaintext_footer", [False, True])
    def test_encrypted_file_is_rejected(self, path: Path, plaintext_footer: bool) -> None:
        write_encrypted(path, plaintext_footer=plaintext_footer)
        fault = refusal(path)
        assert fault.rule == "encrypted"
        assert "without encryption" in fault.detail

    def test_csv_that_begins_like_parquet_is_read_as_csv(self, path: Path) -> None:
        path.write_text("PAR1,b\n1,2\n")
        assert inspect_dataset(path).format is DatasetFormat.CSV

    def test_unknown_column_is_rejected(self, write: Write) -> None:
        with pytest.raises(UnusableDataset):
            list(open_table(write({"a": [1]}), DatasetFormat.PARQUET).batches(["b"]))


class PlainKeys(pe.KmsClient):  # type: ignore[misc] # pyarrow has no types
    """Leaves keys unwrapped; the reader under test has none anyway."""

    def __init__(self, config: object) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, master: str) -> bytes:
        return key

    def unwrap_key(self, wrapped: bytes, master: str) -> bytes:
        return wrapped


def write_encrypted(path: Path, *, plaintext_footer: bool) -> None:
    table = pa.table({"a": ["x", "y", "z"]})
    properties = pe.CryptoFactory(PlainKeys).file_encryption_properties(
        pe.KmsConnectionConfig(),
        pe.EncryptionConfiguration(
            footer_key="footer",
            column_keys={"column": ["a"]},
            plaintext_footer=plaintext_footer,
            double_wrapping=False,
        ),
    )
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
