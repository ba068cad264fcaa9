import gzip
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ridgeline.formats import UnusableDataset, inspect, inspect_dataset
from ridgeline.formats.errors import FileRule, fault, shown
from ridgeline.spec.dataset.contents import DatasetContents, DatasetFormat
from ridgeline.spec.faults import MAX_FAULTS
from tests.unit.formats.refusals import refusal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


def write(path: Path, format_: DatasetFormat) -> Path:
    """A small data set in the format."""
    match format_:
        case DatasetFormat.CSV:
            path.write_text("a,b\n1,x\n2,y\n")
        case DatasetFormat.PARQUET:
            pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), path)
        case DatasetFormat.NPZ:
            with path.open("wb") as file:
                np.savez(file, x=np.zeros((2, 3)), y=np.arange(2))
        case DatasetFormat.NPY:
            with path.open("wb") as file:
                np.save(file, np.zeros((2, 3)))
                np.save(file, np.arange(2))
        case DatasetFormat.IMAGES:
            stream = io.BytesIO()
            Image.new("RGB", (2, 2)).save(stream, "PNG")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a/1.png", stream.getvalue())
                archive.writestr("b/1.png", stream.getvalue())
    return path


@pytest.mark.parametrize("format_", DatasetFormat)
class TestFormats:
    def test_format_is_detected_from_the_first_bytes(
        self, path: Path, format_: DatasetFormat
    ) -> None:
        contents = inspect_dataset(write(path, format_))
        assert (contents.format, contents.rows) == (format_, 2)
        assert inspect_dataset(path, format_) == contents
        # What the inspecting process writes is what the service reads.
        assert DatasetContents.model_validate_json(contents.model_dump_json()) == contents

    def test_wrong_declared_format_is_rejected(self, path: Path, format_: DatasetFormat) -> None:
        write(path, format_)
        for declared in set(DatasetFormat) - {format_}:
            fault = refusal(path, declared)
            assert fault.rule == "format-mismatch"
            assert f"send it as {format_.value}" in fault.detail


class TestUnusableFiles:
    @pytest.mark.parametrize(
        ("content", "format_name"),
        [
            (gzip.compress(b"a,b\n1,2\n" * 100, mtime=0), "gzip"),
            (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5"),
            (b"SQLite format 3\0" + b"\0" * 100, "SQLite"),
            (b"%PDF-1.7\n", "PDF"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "Excel"),
            (b"ORC" + b"\x08\x01\0", "ORC"),
            (b"<!DOCTYPE html><html>", "HTML"),
            (b'  {"a": 1}', "JSON"),
            (b"[[1, 2]]", "JSON"),
        ],
    )
    def test_unsupported_format_is_named_in_the_error(
        self, path: Path, content: bytes, format_name: str
    ) -> None:
        path.write_bytes(content)
        for declared in (None, DatasetFormat.CSV):
            fault = refusal(path, declared)
            assert fault.rule == "unknown-format"
            assert format_name in fault.detail

    def test_csv_with_columns_named_like_formats_is_accepted(self, path: Path) -> None:
        path.write_text("ORCID,PAR1,BZh\n1,2,3\n")
        assert inspect_dataset(path).format is DatasetFormat.CSV

    @pytest.mark.parametrize("format_", [None, *DatasetFormat])
    def test_empty_file_is_rejected(self, path: Path, format_: DatasetFormat | None) -> None:
        path.write_bytes(b"")
        assert refusal(path, format_).rule == "empty"

    def test_random_bytes_are_rejected(self, path: Path) -> None:
        path.write_bytes(np.random.default_rng(0).bytes(100_000))
        assert refusal(path).rule in ("nul-byte", "encoding")

    def test_out_of_memory_becomes_a_fault(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The inspecting process has a memory limit; Arrow raises its own MemoryError there."""

        def exhausted(*_: object) -> DatasetContents:
            raise pa.ArrowMemoryError("malloc of size 1 failed")

        monkeypatch.setattr(inspect, "_inspected", exhausted)
        assert refusal(write(path, DatasetFormat.CSV)).rule == "out-of-memory"


class TestErrors:
    def test_long_name_is_shortened_and_kept_on_one_line(self) -> None:
        assert shown("a\nb\x1b" + "c" * 1000) == "a�b�" + "c" * 75 + "…"

    def test_pointer_of_a_long_name_is_shortened(self) -> None:
        assert len(fault(FileRule.GIANT_CELL, "too long", "columns", "x" * 5000).pointer) < 100

    def test_number_of_faults_is_limited(self) -> None:
        faults = [fault(FileRule.COLUMN_NAME, "wrong", "columns", n) for n in range(100)]
        assert len(UnusableDataset(faults).faults) == MAX_FAULTS


MEASURE = """
import re, sys
from pathlib import Path
from ridgeline.formats import inspect_dataset

def peak():  # not ru_maxrss, which a child inherits from its parent
    (kibibytes,) = re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return int(kibibytes) // 1024

before = peak()
print(inspect_dataset(Path(sys.argv[1])).rows, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
class TestMemory:
    """The peak memory of an inspecting process, in MiB, is less than the size of the file."""

    def test_csv_is_inspected_in_bounded_memory(self, path: Path) -> None:
        block = b"".join(b"%d,%s\n" % (n, b"word " * 200) for n in range(10_000))
        with path.open("wb") as file:
            file.write(b"a,b\n")
            for _ in range(20):
                file.write(block)
        assert path.stat().st_size > 190 * 2**20
        assert growth(path, 200_000) < 150

    def test_parquet_of_one_row_group_is_inspected_in_bounded_memory(self, path: Path) -> None:
        rows = 1_000_000
        words = pc.utf8_lpad(pa.array(np.arange(rows)).cast(pa.string()), 180)
        pq.write_table(pa.table({"a": words}), path, row_group_size=rows, compression="none")
        assert path.stat().st_size > 170 * 2**20
        assert growth(path, rows) < 120


def growth(path: Path, rows: int) -> int:
    command = [sys.executable, "-c", MEASURE, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    counted, mebibytes = map(int, output.stdout.split())
    assert counted == rows
    path.unlink()  # pytest keeps the folder, and the file is large
    return mebibytes
