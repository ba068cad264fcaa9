"""Every bit of a checkpoint comes back, or none does."""

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.checkpoint import UnusableCheckpoint
from worker.engine.checkpoint.format import (
    MAX_HEADER_BYTES,
    Header,
    read_checkpoint,
    write_checkpoint,
)

KEY = "k" * 64
HEADER = Header(epoch=7, key=KEY, state={"best": math.inf, "wait": 2}, history={"length": 0})
PREFIX = 20
KINDS = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
]
SMALL: dict[str, np.ndarray] = {
    "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.array(5, np.int64),
}


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("format")


@pytest.fixture(scope="module")
def whole(folder: Path) -> bytes:
    """The bytes of a checkpoint of two arrays."""
    write_checkpoint(folder / "whole", HEADER, SMALL)
    return (folder / "whole").read_bytes()


def read(folder: Path, data: bytes) -> tuple[Header, dict[str, np.ndarray]]:
    path = folder / "read"
    path.write_bytes(data)
    return read_checkpoint(path, KEY)


def there_and_back(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    write_checkpoint(folder / "file", HEADER, arrays)
    header, found = read_checkpoint(folder / "file", KEY)
    assert header == HEADER
    assert list(found) == list(arrays)
    return found


def same(found: np.ndarray, given: np.ndarray) -> bool:
    """Whether two arrays are the same bit for bit, NaNs and signed zeros included."""
    return (
        (found.dtype, found.shape) == (given.dtype, given.shape)
        and found.tobytes() == given.tobytes()
        and found.flags.writeable
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_every_kind_in_every_shape(folder: Path, kind: str, shape: tuple[int, ...]) -> None:
    dtype = dtype_of(kind)
    size = math.prod(shape) * dtype.itemsize
    data = np.random.default_rng(1).integers(0, 2 if kind == "bool" else 256, size, np.uint8)
    array = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    assert same(there_and_back(folder, {"a": array})["a"], array)


def test_special_numbers(folder: Path) -> None:
    array = np.array([0.0, -0.0, math.nan, math.inf, 5e-324])
    assert same(there_and_back(folder, {"a": array})["a"], array)


def test_what_is_not_contiguous_or_of_the_other_byte_order(folder: Path) -> None:
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    given = {
        "transposed": array.T,
        "strided": array[::2, ::-1, 1::2],
        "fortran": np.asfortranarray(array),
        "broadcast": np.broadcast_to(np.float32(2.0), (3, 3)),
        "big-endian": array.astype(">f4"),
    }
    found = there_and_back(folder, given)
    for name, each in given.items():
        np.testing.assert_array_equal(found[name], each)
        assert found[name].dtype == np.float32


def test_no_arrays_at_all(folder: Path) -> None:
    assert there_and_back(folder, {}) == {}


def test_large_arrays_are_not_copied(folder: Path) -> None:
    """A copy of 64 MiB would show in the peak; NumPy's memory is traced."""
    import tracemalloc

    array = np.zeros(64 * 2**18, np.float32)
    tracemalloc.start()
    write_checkpoint(folder / "large", HEADER, {"a": array})
    writing = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    read_checkpoint(folder / "large", KEY)
    reading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert writing < 2**20
    assert reading < array.nbytes + 2**20


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], dtype=object),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.zeros(1, "datetime64[s]"),
        np.zeros(1, [("a", "f4")]),
    ],
)
def test_what_is_not_of_numbers_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="a checkpoint holds"):
        write_checkpoint(tmp_path / "file", HEADER, {"a": array})
    assert list(tmp_path.iterdir()) == []


def test_a_long_header_is_refused(tmp_path: Path) -> None:
    long = Header(1, KEY, {"text": "x" * MAX_HEADER_BYTES}, {})
    with pytest.raises(ValueError, match="put large values into arrays"):
        write_checkpoint(tmp_path / "file", long, {})


@given(data=st.data())
def test_a_flipped_bit_anywhere_is_seen(folder: Path, whole: bytes, data: st.DataObject) -> None:
    """In the prefix, the header, the arrays or the hash."""
    starts = [0, PREFIX, len(whole) - 32 - 32, len(whole) - 32, len(whole)]
    region = data.draw(st.integers(0, 3))
    place = data.draw(st.integers(starts[region], starts[region + 1] - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(UnusableCheckpoint):
        read(folder, bytes(flipped))


def test_every_truncation_is_seen(folder: Path, whole: bytes) -> None:
    for length in range(len(whole)):
        with pytest.raises(UnusableCheckpoint):
            read(folder, whole[:length])


def test_what_is_appended_is_seen(folder: Path, whole: bytes) -> None:
    with pytest.raises(UnusableCheckpoint):
        read(folder, whole + b"\0")


@given(st.binary(max_size=200))
def test_anything_else_is_no_checkpoint(folder: Path, data: bytes) -> None:
    with pytest.raises(UnusableCheckpoint):
        read(folder, data)


def test_another_key(folder: Path, whole: bytes) -> None:
    with pytest.raises(UnusableCheckpoint, match="another spec"):
        read_checkpoint(folder / "whole", "other")


def test_another_version(folder: Path, whole: bytes) -> None:
    with pytest.raises(UnusableCheckpoint, match="version 2"):
        read(folder, whole[:8] + b"\2" + whole[9:])


def with_header(whole: bytes, **changes: Any) -> bytes:
    """The checkpoint with another header, and its hash put right."""
    import hashlib

    length = int.from_bytes(whole[12:PREFIX], "little")
    values = json.loads(whole[PREFIX : PREFIX + length]) | changes
    head = json.dumps(values).encode()
    body = whole[:12] + len(head).to_bytes(8, "little") + head + whole[PREFIX + length : -32]
    return body + hashlib.sha256(body).digest()


def test_the_header_can_be_replaced(folder: Path, whole: bytes) -> None:
    """The next test means something."""
    assert read(folder, with_header(whole, epoch=9))[0].epoch == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": -1},
        {"epoch": 1.5},
        {"epoch": True},
        {"arrays": None},
        {"arrays": [{}]},
        {"arrays": []},
        {"arrays": [{"name": "a", "dtype": "object", "shape": [4], "offset": 0}]},
        {"arrays": [{"name": "a", "dtype": "float32", "shape": [8.0], "offset": 0}]},
        {"arrays": [{"name": "a", "dtype": "float32", "shape": [-8], "offset": 0}]},
        {"arrays": [{"name": "a", "dtype": "float32", "shape": [2**60], "offset": 0}]},
        {"arrays": [{"name": "a", "dtype": "float32", "shape": [1] * 99, "offset": 0}]},
        {"arrays": [{"name": "a", "dtype": "float32", "shape": [7], "offset": 0}]},
        {"arrays": [{"name": "a", "dtype": "float32", "shape": [8], "offset": 4}]},
        {"arrays": [{"name": "a", "dtype": "int32", "shape": [4], "offset": 0}] * 2},
    ],
)
def test_a_header_that_contradicts_the_file(
    folder: Path, whole: bytes, changes: dict[str, Any]
) -> None:
    """Though its hash is right: no size is believed, and nothing large is allocated."""
    with pytest.raises(UnusableCheckpoint):
        read(folder, with_header(whole, **changes))


def test_a_header_as_deep_as_python_goes(folder: Path, whole: bytes) -> None:
    head = b"[" * 200_000
    data = whole[:12] + len(head).to_bytes(8, "little") + head + bytes(32)
    with pytest.raises(UnusableCheckpoint, match="cannot be read"):
        read(folder, data)


def test_a_length_that_no_header_has(folder: Path, whole: bytes) -> None:
    with pytest.raises(UnusableCheckpoint, match="header would have"):
        read(folder, whole[:12] + (2**63).to_bytes(8, "little") + whole[PREFIX:])
