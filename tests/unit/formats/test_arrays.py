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
    """An NPZ file whose members are any bytes."""

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
    """A header that may say anything."""
    content = literal.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(content))
    return b"\x93NUMPY" + bytes([version, 0]) + length + content


def promised(shape: object, descr: object = "<f4") -> bytes:
    return header(repr({"descr": descr, "fortran_order": False, "shape": shape}))


def member(path: Path, name: str) -> ArrayMember:
    return next(item for item in inspect_dataset(path).arrays or () if item.name == name)


def whole(path: Path, name: str, rows: int | None = None) -> Array:
    format_ = DatasetFormat.NPY if path.suffix == ".npy" else DatasetFormat.NPZ
    return np.concatenate(list(open_arrays(path, format_).chunks(name, rows)))


X = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
Y = np.array([0, 1, 1, 2])


class TestReading:
    def test_what_is_in_an_npz_file(self, npz: Write) -> None:
        contents = inspect_dataset(npz(x=X, y=Y))
        assert (contents.format, contents.rows) == (DatasetFormat.NPZ, 4)
        x, y = contents.arrays or ()
        assert (x.name, x.shape, x.dtype, x.values) == ("x", (4, 3, 2), "float32", None)
        assert [(value.value, value.rows) for value in y.values or ()] == [
            ("0", 1),
            ("1", 2),
            ("2", 1),
        ]

    def test_what_is_in_a_pair(self, npy: Write) -> None:
        contents = inspect_dataset(npy(X, Y))
        assert (contents.format, contents.rows) == (DatasetFormat.NPY, 4)
        assert [item.name for item in contents.arrays or ()] == ["x", "y"]

    @pytest.mark.parametrize("rows", [1, 3, 4, 100, None])
    def test_chunks(self, npz: Write, npy: Write, rows: int | None) -> None:
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
    def test_every_way_of_writing_numbers(self, npz: Write, npy: Write, array: Array) -> None:
        for path in (npz(x=array), npy(array, Y)):
            read = whole(path, "x", 3)
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype.newbyteorder("=")
            assert read.flags.c_contiguous

    def test_versions_of_the_header(self, raw_npz: Write) -> None:
        for version in (1, 2, 3):
            literal = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
            path = raw_npz(x=header(literal, version) + struct.pack("<2f", 1, 2))
            np.testing.assert_array_equal(whole(path, "x"), [1, 2])

    def test_column_vector_of_classes(self, npz: Write) -> None:
        found = member(npz(y=Y.reshape(4, 1)), "y").values or ()
        assert [value.value for value in found] == ["0", "1", "2"]

    def test_real_targets_have_no_classes(self, npz: Write) -> None:
        assert member(npz(y=Y.astype(float)), "y").values is None

    def test_extent(self, npz: Write) -> None:
        path = npz(x=X - 3, y=Y, flag=Y > 0, large=Y.astype(np.uint64) + 2**63)
        ends = [(item.minimum, item.maximum) for item in inspect_dataset(path).arrays or ()]
        assert ends == [(-3.0, 20.0), (0.0, 2.0), (None, None), (2.0**63, 2.0**63)]

    def test_too_many_values_to_be_listed(self, npz: Write) -> None:
        assert member(npz(y=np.arange(1001)), "y").values is None
        assert len(member(npz(y=np.arange(1000)), "y").values or ()) == 1000


class TestKinds:
    def test_pickled_objects(self, raw_npz: Write) -> None:
        """The pickle would make a file; it must not be looked at."""
        fault = refusal(raw_npz(x=saved(np.array([{}, []], dtype=object))))
        assert (fault.rule, fault.pointer) == ("pickle", "/arrays/x")
        assert "never loaded" in fault.detail

    def test_pickle_that_runs_code(self, npy: Write, tmp_path: Path) -> None:
        witness = tmp_path / "witness"
        pickled = pickle.dumps(Runs(witness))
        path = npy(tail=promised((1,), "|O") + pickled)
        assert refusal(path).rule == "pickle"
        assert not witness.exists()
        pickle.loads(pickled)  # noqa: S301 # shows that the witness would have been there
        assert witness.exists()

    def test_bare_pickle(self, tmp_path: Path) -> None:
        path = tmp_path / "arrays.npy"
        path.write_bytes(pickle.dumps([1, 2, 3]))
        fault = refusal(path)
        assert fault.rule == "unknown-format"
        assert "pickles are never loaded" in fault.detail

    @pytest.mark.parametrize(
        ("array", "said"),
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
    def test_no_numbers(self, npz: Write, array: Array, said: str) -> None:
        fault = refusal(npz(x=array))
        assert (fault.rule, fault.pointer) == ("dtype", "/arrays/x")
        assert said in fault.detail

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, npz: Write, value: float) -> None:
        fault = refusal(npz(x=np.array([1, value])))
        assert (fault.rule, fault.pointer) == ("not-finite", "/arrays/x")
        assert "np.nan_to_num" in fault.detail

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite_at_the_end(self, npz: Write, value: float) -> None:
        """Chunks are looked at one by one, and `min(0.0, nan)` is 0."""
        array = np.zeros(BLOCK_BYTES)
        array[-1] = value
        assert refusal(npz(x=array)).rule == "not-finite"


class TestHeader:
    @pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6, 10**6), (2**63, 2**63)])
    def test_promises_more_than_there_is(
        self, raw_npz: Write, npy: Write, shape: tuple[int, ...]
    ) -> None:
        content = promised(shape) + b"\0" * 100
        for path in (raw_npz(x=content), npy(tail=content)):
            fault = refusal(path)
            assert (fault.rule, fault.pointer) == ("array-size", "/arrays/x")
            assert "the file has 100 bytes" in fault.detail

    def test_promises_less_than_there_is(self, raw_npz: Write) -> None:
        assert refusal(raw_npz(x=promised((3,)) + b"\0" * 100)).rule == "array-size"

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
    def test_is_none(self, raw_npz: Write, content: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fault = refusal(raw_npz(x=content))
        assert (fault.rule, fault.pointer) == ("npy-header", "/arrays/x")
        assert "np.save" in fault.detail

    def test_subarray_type(self, raw_npz: Write) -> None:
        assert refusal(raw_npz(x=promised((1,), "(1000000000,)i4"))).rule == "dtype"

    def test_too_many_dimensions(self, npz: Write) -> None:
        assert refusal(npz(x=np.zeros((1,) * 9))).rule == "shape"

    def test_single_number(self, npz: Write) -> None:
        fault = refusal(npz(x=X, scale=np.array(3.0)))
        assert (fault.rule, fault.pointer) == ("shape", "/arrays/scale")

    @pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
    def test_nothing_in_it(self, npz: Write, shape: tuple[int, ...]) -> None:
        fault = refusal(npz(x=np.zeros(shape)))
        assert fault.rule == "no-rows"
        assert "×".join(map(str, shape)) in fault.detail


class TestFiles:
    def test_other_numbers_of_rows(self, npz: Write) -> None:
        faults = refusals(npz(x=X, y=Y[:3]))
        assert [(fault.rule, fault.pointer) for fault in faults] == [
            ("rows-differ", "/arrays/x"),
            ("rows-differ", "/arrays/y"),
        ]
        assert "4 rows" in faults[0].detail

    def test_too_many_rows(self, npz: Write) -> None:
        assert refusal(npz(x=X), limits=InspectionLimits(rows=3)).rule == "too-many-rows"

    def test_empty_npz(self, npz: Write) -> None:
        assert refusal(npz()).rule == "empty"

    def test_too_many_arrays(self, npz: Write) -> None:
        path = npz(**{f"a{number}": Y for number in range(101)})
        assert refusal(path).rule == "too-many-arrays"

    def test_other_files_in_an_npz(self, npz: Write) -> None:
        path = npz(x=X)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("README.txt", "hello")
        assert refusal(path).rule == "unexpected-member"

    def test_sparse_matrix_of_scipy(self, npz: Write) -> None:
        path = npz(indices=np.arange(5), indptr=np.arange(3), format=np.array(b"csr"))
        assert refusal(path).rule == "dtype"

    def test_one_array_alone(self, npy: Write) -> None:
        fault = refusal(npy(X))
        assert fault.rule == "npy-pair"
        assert "np.save(file, y)" in fault.detail

    def test_three_arrays(self, npy: Write) -> None:
        assert refusal(npy(X, Y, Y)).rule == "npy-pair"

    def test_pair_that_is_cut_off(self, npy: Write) -> None:
        path = npy(X, Y)
        path.write_bytes(path.read_bytes()[:-1])
        fault = refusal(path)
        assert (fault.rule, fault.pointer) == ("array-size", "/arrays/y")

    def test_npz_that_is_cut_off(self, npz: Write) -> None:
        path = npz(x=X, y=Y)
        path.write_bytes(path.read_bytes()[:-30])
        assert refusal(path).rule == "damaged"

    def test_changed_numbers(self, npz: Write) -> None:
        """The sum at the end of a member is looked at."""
        path = npz(x=np.zeros(1000))
        with zipfile.ZipFile(path) as archive:
            start = archive.infolist()[0].header_offset
        content = bytearray(path.read_bytes())
        content[start + 14 : start + 18] = b"\1\2\3\4"  # in the local header
        listed = content.index(b"PK\1\2")
        content[listed + 16 : listed + 20] = b"\1\2\3\4"
        path.write_bytes(content)
        assert refusal(path).rule == "damaged"

    def test_fortran_order_beyond_memory(self, npz: Write) -> None:
        path = npz(x=np.asfortranarray(np.zeros((100, 10))))
        fault = refusal(path, limits=InspectionLimits(turned_bytes=1000))
        assert fault.rule == "array-order"
        assert "np.ascontiguousarray(x)" in fault.detail

    def test_file_that_shrank_since_it_was_opened(self, npy: Write) -> None:
        path = npy(X, Y)
        arrays = open_arrays(path, DatasetFormat.NPY)
        path.write_bytes(path.read_bytes()[:150])
        with pytest.raises(UnusableDataset) as caught:
            list(arrays.chunks("x"))
        assert caught.value.faults[0].rule == "array-size"


class Runs:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)
