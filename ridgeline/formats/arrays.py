"""Arrays in NPZ and NPY files (NEP 1), read some rows at a time. Pickles are never loaded."""

import ast
import math
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ridgeline.formats.archives import open_archive, open_member
from ridgeline.formats.errors import FileRule, UnusableDataset, is_plain, shown, unusable
from ridgeline.formats.limits import BLOCK_BYTES, LIMITS, MEBIBYTE, InspectionLimits
from ridgeline.spec.dataset.contents import DatasetFormat

PAIR = ("x", "y")
"""The names of the two arrays of an NPY file."""
MAGIC = b"\x93NUMPY"
_MOST_HEADER_BYTES = 10_000
"""NumPy's own limit: the header is a Python literal, and parsing it takes memory."""
_MOST_DIMENSIONS = 8
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
"""Booleans, signed and unsigned integers, and floating-point numbers of at most 64 bits."""
_UNPARSABLE = (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError)
"""What Python raises for an invalid or deeply nested literal."""


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of an array, checked before its numbers are read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def open_arrays(
    path: Path,
    format: DatasetFormat,  # noqa: A002 # as the API calls it
    limits: InspectionLimits = LIMITS,
) -> "Arrays":
    """The arrays of an NPZ file, or the two of an NPY file.

    Raises UnusableDataset if one is not an array of numbers. layout_of() checks that they fit
    together.
    """
    members = _npz_members(path, limits) if format is DatasetFormat.NPZ else _npy_members(path)
    return Arrays(path, members, limits)


@dataclass(frozen=True)
class NpyHeader:
    """The header before an array's numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    """Whether the numbers are stored column by column instead of row by row."""
    bytes: int
    """Size of the header itself."""

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def content_bytes(self) -> int:
        """Size of the numbers, which the header may overstate."""
        return self.dtype.itemsize * math.prod(self.shape)


@dataclass(frozen=True)
class _Member:
    header: NpyHeader
    start: int | None = None
    """Offset of the header in an NPY file."""


@dataclass(frozen=True)
class Arrays:
    """The arrays of a file, by name."""

    path: Path
    entries: Mapping[str, _Member]
    limits: InspectionLimits

    @property
    def members(self) -> Mapping[str, ArrayHeader]:
        """Each array's header by its name, in the order of the file."""
        return {
            name: ArrayHeader(member.header.shape, member.header.dtype.newbyteorder("="))
            for name, member in self.entries.items()
        }

    def chunks(self, name: str, rows: int | None = None) -> Iterator[npt.NDArray[Any]]:
        """An array's rows in order, `rows` at a time (by default a few MiB).

        Raises UnusableDataset if the numbers are incomplete.
        """
        header = self.entries[name].header
        step = rows or max(1, BLOCK_BYTES // max(header.row_bytes, 1))
        with self._stream(name) as stream:
            if header.fortran and len(header.shape) > 1:
                whole = _turned(name, header, stream, self.limits)
                for first in range(0, len(whole), step):
                    yield _native(whole[first : first + step])
            else:
                for first in range(0, header.shape[0], step):
                    yield _numbers(name, header, stream, min(step, header.shape[0] - first))
            stream.read(1)  # the end of a ZIP member triggers its checksum

    def _stream(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """The array's bytes after its header."""
        member = self.entries[name]
        if member.start is None:
            return _npz_stream(self.path, name, member.header, self.limits)
        return _npy_stream(self.path, member.start + member.header.bytes)


@contextmanager
def _npz_stream(
    path: Path, name: str, header: NpyHeader, limits: InspectionLimits
) -> Iterator[IO[bytes]]:
    with open_archive(path, limits) as archive, open_member(archive, f"{name}.npy") as stream:
        stream.read(header.bytes)
        yield stream


@contextmanager
def _npy_stream(path: Path, start: int) -> Iterator[IO[bytes]]:
    with path.open("rb") as stream:
        stream.seek(start)
        yield stream


def _npz_members(path: Path, limits: InspectionLimits) -> dict[str, _Member]:
    members = {}
    with open_archive(path, limits) as archive:
        infos = archive.infolist()
        if not infos:
            raise unusable(
                FileRule.EMPTY,
                "the NPZ file holds no array, expected some: write it with np.savez(path, x=x,"
                " y=y)",
            )
        if len(infos) > limits.arrays:
            raise unusable(
                FileRule.TOO_MANY_ARRAYS,
                f"the NPZ file holds {len(infos):,} arrays, expected at most {limits.arrays}: put"
                " the features in one array x and the targets in y",
                "arrays",
            )
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name == info.filename or not is_plain(name) or "/" in name:
                raise unusable(
                    FileRule.UNEXPECTED_MEMBER,
                    f"the NPZ file holds {shown(info.filename)}, expected arrays only, such as"
                    " x.npy: write it with np.savez(path, x=x, y=y)",
                    "arrays",
                    info.filename,
                )
            with open_member(archive, info.filename) as stream:
                header = read_header(stream, name)
            _check_size(name, header, info.file_size)
            members[name] = _Member(header)
    return members


def _npy_members(path: Path) -> dict[str, _Member]:
    size = path.stat().st_size
    members: dict[str, _Member] = {}
    start = 0
    with path.open("rb") as stream:
        for name in PAIR:
            if start == size:
                raise _no_pair(f"{len(members)} array(s)")
            stream.seek(start)
            header = read_header(stream, name)
            if header.bytes + header.content_bytes > size - start:
                raise _size(name, f"{size - start - header.bytes:,} bytes", header)
            members[name] = _Member(header, start)
            start += header.bytes + header.content_bytes
    if start < size:
        raise _no_pair(f"two arrays and {size - start:,} further bytes")
    return members


def _check_size(name: str, header: NpyHeader, member_bytes: int) -> None:
    """Raise UnusableDataset if the header declares another size than the file has."""
    content = member_bytes - header.bytes
    if content != header.content_bytes:
        raise _size(name, f"{content:,} bytes", header)


def _numbers(name: str, header: NpyHeader, stream: IO[bytes], rows: int) -> npt.NDArray[Any]:
    wanted = rows * header.row_bytes
    content = stream.read(wanted)
    if len(content) < wanted:
        raise _size(name, "fewer", header)
    values = np.frombuffer(content, header.dtype).reshape(rows, *header.shape[1:])
    return _native(values)


def _turned(
    name: str, header: NpyHeader, stream: IO[bytes], limits: InspectionLimits
) -> npt.NDArray[Any]:
    """Read an array in Fortran order, whose rows are available only once all of it is."""
    if header.content_bytes > limits.turned_bytes:
        raise unusable(
            FileRule.ARRAY_ORDER,
            f"array {shown(name)} is in Fortran order and has"
            f" {header.content_bytes // MEBIBYTE:,} MiB; expected C order beyond"
            f" {limits.turned_bytes // MEBIBYTE:,} MiB: save np.ascontiguousarray({shown(name)})",
            "arrays",
            name,
        )
    content = stream.read(header.content_bytes)
    if len(content) < header.content_bytes:
        raise _size(name, "fewer", header)
    return np.frombuffer(content, header.dtype).reshape(header.shape, order="F")


def _native(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def _shape(header: NpyHeader) -> str:
    return shown("×".join(map(str, header.shape)))


def _size(name: str, received: str, header: NpyHeader) -> UnusableDataset:
    return unusable(
        FileRule.ARRAY_SIZE,
        f"the header of array {shown(name)} declares {header.content_bytes:,} bytes (shape"
        f" {_shape(header)}, {header.dtype.name}) but the file has {received}: it was truncated"
        " or changed, write it again",
        "arrays",
        name,
    )


def _no_pair(received: str) -> UnusableDataset:
    return unusable(
        FileRule.NPY_PAIR,
        f"received {received}, expected two arrays, x then y, concatenated: `with open(path, 'wb')"
        " as file: np.save(file, x); np.save(file, y)`, or an NPZ file by np.savez(path, x=x, y=y)",
        "arrays",
    )


def read_header(stream: IO[bytes], name: str) -> NpyHeader:
    """Read the header here. Raises UnusableDataset if the array does not hold numbers."""
    head = stream.read(len(MAGIC) + 2)
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + 2:
        raise _no_header(name, "it does not begin with \\x93NUMPY")
    major = head[len(MAGIC)]
    if major not in (1, 2, 3):
        raise _no_header(name, f"its version is {major}")
    size = struct.Struct("<H" if major == 1 else "<I")
    prefix = stream.read(size.size)
    if len(prefix) < size.size:
        raise _no_header(name, "it is truncated")
    (length,) = size.unpack(prefix)
    if length > _MOST_HEADER_BYTES:
        raise _no_header(name, f"it has {length:,} bytes")
    content = stream.read(length)
    if len(content) < length:
        raise _no_header(name, "it is truncated")
    shape, fortran, dtype = _parsed(content, name)
    return NpyHeader(shape, dtype, fortran, len(head) + len(prefix) + length)


def _parsed(content: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Parse the three entries of the header, a Python literal."""
    try:
        header = ast.literal_eval(content.decode().strip())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except _UNPARSABLE as error:
        raise _no_header(name, "it is not {'descr': …, 'fortran_order': …, 'shape': …}") from error
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise _no_header(name, "its shape is not a tuple of sizes")
    if not isinstance(fortran, bool):
        raise _no_header(name, "its fortran_order is neither True nor False")
    if len(shape) > _MOST_DIMENSIONS:
        raise unusable(
            FileRule.SHAPE,
            f"array {shown(name)} has {len(shape)} dimensions, expected at most {_MOST_DIMENSIONS}:"
            " reshape it",
            "arrays",
            name,
        )
    return shape, fortran, _dtype(descr, name)


def _dtype(descr: object, name: str) -> np.dtype[Any]:
    """The type of the numbers. Only the few known ones reach NumPy's own parser."""
    if isinstance(descr, str) and _NUMBERS.fullmatch(descr):
        return np.dtype(descr)
    if isinstance(descr, str) and descr.lstrip("<>|=").startswith("O"):
        raise unusable(
            FileRule.PICKLE,
            f"array {shown(name)} holds pickled Python objects, which are never loaded; expected"
            " numbers: give every row the same shape and save it with"
            " np.asarray(rows, dtype='float32'), and text labels as class numbers",
            "arrays",
            name,
        )
    if not isinstance(descr, str):
        received, fix = "structured entries", "save each field as an array of its own"
    elif descr.lstrip("<>|=").startswith(("U", "S", "T")):
        received = "text"
        fix = "number the classes (np.unique(labels, return_inverse=True)), or upload a CSV file"
    else:
        received, fix = f"the type {shown(descr)}", "save it with .astype('float32')"
    raise unusable(
        FileRule.DTYPE,
        f"array {shown(name)} holds {received}, expected booleans, integers or floating-point"
        f" numbers of at most 64 bits: {fix}",
        "arrays",
        name,
    )


def _no_header(name: str, why: str) -> UnusableDataset:
    return unusable(
        FileRule.NPY_HEADER,
        f"array {shown(name)} has no valid NumPy header ({why}): write it with np.save or np.savez",
        "arrays",
        name,
    )
