import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ridgeline.formats import InspectionLimits, UnusableDataset, inspect_dataset, open_arrays
from ridgeline.formats.limits import BLOCK_BYTES
from ridgeline.spec.dataset.contents import ArrayMember, DatasetFormat
from tests.unit.formats.refusals import refusal, refusals

Write = Callable[..., Path]
Array = npt.NDArray[Any]


@pytest.fixture
def npz(tmp_path: Path) -> Write:
    def write(**arrays: Array) -> Path:
        path = tmp_path / "arrays.npz"
        np.savez_compressed(path, allow_pickle=True, **arrays)
        return path

    return write


@pytest.fixture
def raw_npz(tmp_path: Path) -> Write:
    """Writes an NPZ file whose members are arbitrary bytes."""

    def write(**members: bytes) -> Path:
        path = tmp_path / "arrays.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return path

    return write


@pytest.fixture
def npy(tmp_path: Path) -> Write:
    def write(*arrays: Array, tail: bytes = b"") -> Path:
        path = tmp_path / "pair.npy"
        path.write_bytes(b"".join(map(saved, arrays)) + tail)
        return path

    return write


def saved(array: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def header(literal: str, version: int = 1) -> bytes:
    """A header with any content, valid or not."""
    content = literal.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(content))
    return b"\x93NUMPY" + bytes([version, 0]) + length + content


def declared_header(shape: object, descr: object = "<f4") -> bytes:
    return header(repr({"descr": descr, "fortran_order": False, "shape": shape}))


def member(path: Path, name: str) -> ArrayMember:
    return next(item for item in inspect_dataset(path).arrays or () if item.name == name)


def whole(path: Path, name: str, rows: int | None = None) -> Array:
    format_ = DatasetFormat.NPY if path.suffix == ".npy" else DatasetFormat.NPZ
    return np.concatenate(list(open_arrays(path, format_).chunks(name, rows)))


X = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
Y = np.array([0, 1, 1, 2])


class TestReading:
    def test_npz_arrays_are_described(self, npz: Write) -> None:
        contents = inspect_dataset(npz(x=X, y=Y))
        assert (contents.format, contents.rows) == (DatasetFormat.NPZ, 4)
        x, y = contents.arrays or ()
        assert (x.name, x.shape, x.dtype, x.values) == ("x", (4, 3, 2), "float32", None)
        assert [(value.value, value.rows) for value in y.values or ()] == [
            ("0", 1),
            ("1", 2),
            ("2", 1),
        ]

    def test_npy_pair_is_described_as_x_and_y(self, npy: Write) -> None:
        contents = inspect_dataset(npy(X, Y))
        assert (contents.format, contents.rows) == (DatasetFormat.NPY, 4)
        assert [item.name for item in contents.arrays or ()] == ["x", "y"]

    @pytest.mark.parametrize("rows", [1, 3, 4, 100, None])
    def test_chunks_of_any_size_give_the_whole_array(
        self, npz: Write, npy: Write, rows: int | None
    ) -> None:
        for path in (npz(x=X, y=Y), npy(X, Y)):
            np.testing.assert_array_equal(whole(path, "x", rows), X)
            np.testing.assert_array_equal(whole(path, "y", rows), Y)

    @pytest.mark.parametrize(
        "array",
        [
            np.asfortranarray(np.arange(12.0).reshape(4, 3)),
            np.arange(12, dtype=">i4").reshape(4, 3),
            np.array([True, False, True, True]),
            np.arange(4, dtype=np.float16),
            np.arange(4, dtype=np.uint64) + 2**63,
        ],
        ids=["Fortran order", "big-endian", "booleans", "halves", "large integers"],
    )
    def test_every_order_and_number_type_is_read_as_written(
        self, npz: Write, npy: Write, array: Array
    ) -> None:
        for path in (npz(x=array), npy(array, Y)):
            read = whole(path, "x", 3)
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype.newbyteorder("=")
            assert read.flags.c_contiguous

    def test_every_header_version_is_accepted(self, raw_npz: Write) -> None:
        for version in (1, 2, 3):
            literal = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
            path = raw_npz(x=header(literal, version) + struct.pack("<2f", 1, 2))
            np.testing.assert_array_equal(whole(path, "x"), [1, 2])

    def test_column_vector_lists_its_classes(self, npz: Write) -> None:
        counts = member(npz(y=Y.reshape(4, 1)), "y").values or ()
        assert [count.value for count in counts] == ["0", "1", "2"]

    def test_float_array_lists_no_classes(self, npz: Write) -> None:
        assert member(npz(y=Y.astype(float)), "y").values is None

    def test_minimum_and_maximum_are_reported(self, npz: Write) -> None:
        path = npz(x=X - 3, y=Y, flag=Y > 0, large=Y.astype(np.uint64) + 2**63)
        ends = [(item.minimum, item.maximum) for item in inspect_dataset(path).arrays or ()]
        assert ends == [(-3.0, 20.0), (0.0, 2.0), (None, None), (2.0**63, 2.0**63)]

    def test_more_than_a_thousand_values_are_not_listed(self, npz: Write) -> None:
        assert member(npz(y=np.arange(1001)), "y").values is None
        assert len(member(npz(y=np.arange(1000)), "y").values or ()) == 1000


class TestKinds:
    def test_object_array_is_rejected_without_unpickling(self, raw_npz: Write) -> None:
        fault = refusal(raw_npz(x=saved(np.array([{}, []], dtype=object))))
        assert (fault.rule, fault.pointer) == ("pickle", "/arrays/x")
        assert "never loaded" in fault.detail

    def test_code_in_a_pickle_is_not_run(self, npy: Write, tmp_path: Path) -> None:
        witness = tmp_path / "witness"
        pickled = pickle.dumps(Runs(witness))
        path = npy(tail=declared_header((1,), "|O") + pickled)
        assert refusal(path).rule == "pickle"
        assert not witness.exists()
        pickle.loads(pickled)  # noqa: S301 # proves that loading it would create the witness
        assert witness.exists()

    def test_bare_pickle_is_rejected(self, tmp_path: Path) -> None:
        path = tmp_path / "arrays.npy"
        path.write_bytes(pickle.dumps([1, 2, 3]))
        fault = refusal(path)
        assert fault.rule == "unknown-format"
        assert "pickles are never loaded" in fault.detail

    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.zeros(3, [("a", "i4"), ("b", "f4")]), "structured"),
            (np.zeros(3, [("a", "O")]), "structured"),
            (np.array(["a", "b"]), "np.unique"),
            (np.array([b"a", b"b"]), "np.unique"),
            (np.array([1j, 2j]), "<c16"),
            (np.array(["2020-01-01"], "M8[D]"), "<M8[D]"),
            (np.zeros(3, "V4"), "V4"),
            (np.zeros(3, np.longdouble), "astype('float32')"),
        ],
    )
    def test_array_that_is_not_numeric_is_rejected_with_advice(
        self, npz: Write, array: Array, words: str
    ) -> None:
        fault = refusal(npz(x=array))
        assert (fault.rule, fault.pointer) == ("dtype", "/arrays/x")
        assert words in fault.detail

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite_value_is_rejected(self, npz: Write, value: float) -> None:
        fault = refusal(npz(x=np.array([1, value])))
        assert (fault.rule, fault.pointer) == ("not-finite", "/arrays/x")
        assert "np.nan_to_num" in fault.detail

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite_value_in_the_last_chunk_is_rejected(self, npz: Write, value: float) -> None:
        """Chunks are checked one by one, and `min(0.0, nan)` is 0."""
        array = np.zeros(BLOCK_BYTES)
        array[-1] = value
        assert refusal(npz(x=array)).rule == "not-finite"


class TestHeader:
    @pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6, 10**6), (2**63, 2**63)])
    def test_header_that_declares_more_than_the_file_has_is_rejected(
        self, raw_npz: Write, npy: Write, shape: tuple[int, ...]
    ) -> None:
        content = declared_header(shape) + b"\0" * 100
        for path in (raw_npz(x=content), npy(tail=content)):
            fault = refusal(path)
            assert (fault.rule, fault.pointer) == ("array-size", "/arrays/x")
            assert "the file has 100 bytes" in fault.detail

    def test_header_that_declares_less_than_the_file_has_is_rejected(self, raw_npz: Write) -> None:
        assert refusal(raw_npz(x=declared_header((3,)) + b"\0" * 100)).rule == "array-size"

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"not an array",
            b"\x93NUMPY",
            b"\x93NUMPY\x09\x00" + b"\0" * 50,
            b"\x93NUMPY\x01\x00\xff\xff{",
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
            header("{}"),
            header("[]"),
            header("__import__('os').getcwd()"),
            header("(" * 5000),
            header("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}"),
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}"),
            header("{'descr': '<f4', 'fortran_order': False, 'shape': 3}"),
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}"),
            header(" " * 20_000),
        ],
    )
    def test_invalid_header_is_rejected(self, raw_npz: Write, content: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fault = refusal(raw_npz(x=content))
        assert (fault.rule, fault.pointer) == ("npy-header", "/arrays/x")
        assert "np.save" in fault.detail

    def test_subarray_type_is_rejected(self, raw_npz: Write) -> None:
        assert refusal(raw_npz(x=declared_header((1,), "(1000000000,)i4"))).rule == "dtype"

    def test_array_of_nine_dimensions_is_rejected(self, npz: Write) -> None:
        assert refusal(npz(x=np.zeros((1,) * 9))).rule == "shape"

    def test_scalar_array_is_rejected(self, npz: Write) -> None:
        fault = refusal(npz(x=X, scale=np.array(3.0)))
        assert (fault.rule, fault.pointer) == ("shape", "/arrays/scale")

    @pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
    def test_array_without_elements_is_rejected(self, npz: Write, shape: tuple[int, ...]) -> None:
        fault = refusal(npz(x=np.zeros(shape)))
        assert fault.rule == "no-rows"
        assert "×".join(map(str, shape)) in fault.detail


class TestFiles:
    def test_different_row_counts_are_rejected(self, npz: Write) -> None:
        faults = refusals(npz(x=X, y=Y[:3]))
        assert [(fault.rule, fault.pointer) for fault in faults] == [
            ("rows-differ", "/arrays/x"),
            ("rows-differ", "/arrays/y"),
        ]
        assert "4 rows" in faults[0].detail

    def test_more_rows_than_the_limit_are_rejected(self, npz: Write) -> None:
        assert refusal(npz(x=X), limits=InspectionLimits(rows=3)).rule == "too-many-rows"

    def test_npz_without_arrays_is_rejected(self, npz: Write) -> None:
        assert refusal(npz()).rule == "empty"

    def test_more_than_a_hundred_arrays_are_rejected(self, npz: Write) -> None:
        path = npz(**{f"a{number}": Y for number in range(101)})
        assert refusal(path).rule == "too-many-arrays"

    def test_other_file_in_an_npz_is_rejected(self, npz: Write) -> None:
        path = npz(x=X)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("README.txt", "hello")
        assert refusal(path).rule == "unexpected-member"

    def test_scipy_sparse_matrix_is_rejected(self, npz: Write) -> None:
        path = npz(indices=np.arange(5), indptr=np.arange(3), format=np.array(b"csr"))
        assert refusal(path).rule == "dtype"

    def test_npy_with_one_array_is_rejected_with_advice(self, npy: Write) -> None:
        fault = refusal(npy(X))
        assert fault.rule == "npy-pair"
        assert "np.save(file, y)" in fault.detail

    def test_npy_with_three_arrays_is_rejected(self, npy: Write) -> None:
        assert refusal(npy(X, Y, Y)).rule == "npy-pair"

    def test_truncated_npy_pair_is_rejected(self, npy: Write) -> None:
        path = npy(X, Y)
        path.write_bytes(path.read_bytes()[:-1])
        fault = refusal(path)
        assert (fault.rule, fault.pointer) == ("array-size", "/arrays/y")

    def test_truncated_npz_is_rejected(self, npz: Write) -> None:
        path = npz(x=X, y=Y)
        path.write_bytes(path.read_bytes()[:-30])
        assert refusal(path).rule == "damaged"

    def test_wrong_checksum_of_a_member_is_rejected(self, npz: Write) -> None:
        path = npz(x=np.zeros(1000))
        with zipfile.ZipFile(path) as archive:
            start = archive.infolist()[0].header_offset
        content = bytearray(path.read_bytes())
        content[start + 14 : start + 18] = b"\1\2\3\4"  # in the local header
        listed = content.index(b"PK\1\2")
        content[listed + 16 : listed + 20] = b"\1\2\3\4"
        path.write_bytes(content)
        assert refusal(path).rule == "damaged"

    def test_fortran_order_above_the_memory_limit_is_rejected(self, npz: Write) -> None:
        path = npz(x=np.asfortranarray(np.zeros((100, 10))))
        fault = refusal(path, limits=InspectionLimits(turned_bytes=1000))
        assert fault.rule == "array-order"
        assert "np.ascontiguousarray(x)" in fault.detail

    def test_file_truncated_after_opening_is_rejected(self, npy: Write) -> None:
        path = npy(X, Y)
        arrays = open_arrays(path, DatasetFormat.NPY)
        path.write_bytes(path.read_bytes()[:150])
        with pytest.raises(UnusableDataset) as caught:
            list(arrays.chunks("x"))
        assert caught.value.faults[0].rule == "array-size"


class Runs:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)
