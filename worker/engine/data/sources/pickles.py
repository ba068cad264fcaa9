"""Reads arrays in Keras's files, pickled or not, without executing code from a pickle."""

import io
import pickle
import zipfile
from collections.abc import Iterator
from gzip import GzipFile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from worker.engine.data.sources.rows import Chunk, chunk_rows

#: The names that unpickling an array needs (compare keras.src.datasets.npz_utils), as NumPy 1 and
#: NumPy 2 write them.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays, lists, numbers and text; rejects every other name in a pickle."""

    def find_class(self, module: str, name: str) -> Any:
        """One of the four names that arrays need. Raises UnpicklingError for others."""
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no array needs")
        return _ARRAYS[module, name]


def npz_array(path: Path, member: str) -> npt.NDArray[Any]:
    """A whole array of an .npz file; it may hold Python objects."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject:
            return np.asarray(ArrayUnpickler(io.BytesIO(stream.read())).load(), dtype=object)
        values = np.frombuffer(stream.read(), dtype)
        return values.reshape(shape, order="F" if fortran else "C")


def npz_shape(path: Path, member: str) -> tuple[int, ...]:
    """The shape of an array of an .npz file, without reading it."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as stream:
        return _header(stream)[0]


def npz_chunks(path: Path, member: str) -> Iterator[Chunk]:
    """An array of numbers in an .npz file, some rows at a time. Raises ValueError for others."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject or fortran:
            raise ValueError(f"{member} is not an array of numbers in C order")
        yield from read_chunks(stream, shape, dtype)


def read_chunks(
    stream: IO[bytes] | GzipFile, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[Chunk]:
    """An array (rows, …) whose numbers follow in `stream`. Raises EOFError if it is truncated."""
    row_bytes = dtype.itemsize * int(np.prod(shape[1:]))
    step = chunk_rows(row_bytes)
    for start in range(0, shape[0], step):
        rows = min(step, shape[0] - start)
        content = stream.read(rows * row_bytes)
        if len(content) < rows * row_bytes:
            raise EOFError("the file is truncated")
        yield start, np.frombuffer(content, dtype).reshape(rows, *shape[1:])


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    # Version 3 only allows other letters in the header, which Keras's files do not use.
    return np.lib.format.read_array_header_2_0(stream)
