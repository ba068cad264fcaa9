"""The header of an array in NumPy's format (NEP 1), and which arrays are taken."""

import ast
import math
import re
import struct
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ridgeline.formats.errors import Rule, UnusableDataset, shown, unusable

MAGIC = b"\x93NUMPY"
_MOST_HEADER_BYTES = 10_000
"""NumPy's own bound: the header is a Python literal, and parsing one takes memory."""
_MOST_DIMENSIONS = 8
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
"""Booleans, integers with and without a sign, and floating point numbers of at most 64 bits."""


@dataclass(frozen=True)
class NpyHeader:
    """What stands before an array's numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    """Whether columns lie one behind the other instead of rows."""
    bytes: int
    """Of the header itself."""

    @property
    def row_bytes(self) -> int:
        """What one row takes."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def content_bytes(self) -> int:
        """What the numbers take; no overflow, however many are promised."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(stream: IO[bytes], name: str) -> NpyHeader:
    """The header that begins here. Raises UnusableDataset where the array is not one of numbers."""
    head = stream.read(len(MAGIC) + 2)
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + 2:
        raise _no_header(name, "it does not begin with \\x93NUMPY")
    major = head[len(MAGIC)]
    if major not in (1, 2, 3):
        raise _no_header(name, f"its version is {major}")
    size = struct.Struct("<H" if major == 1 else "<I")
    prefix = stream.read(size.size)
    if len(prefix) < size.size:
        raise _no_header(name, "it is cut off")
    (length,) = size.unpack(prefix)
    if length > _MOST_HEADER_BYTES:
        raise _no_header(name, f"it has {length:,} bytes")
    content = stream.read(length)
    if len(content) < length:
        raise _no_header(name, "it is cut off")
    shape, fortran, dtype = _parsed(content, name)
    return NpyHeader(shape, dtype, fortran, len(head) + len(prefix) + length)


def _parsed(content: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The three entries of the header, a Python literal."""
    try:
        header = ast.literal_eval(content.decode().strip())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except _UNPARSABLE as error:
        raise _no_header(name, "it is not {'descr': …, 'fortran_order': …, 'shape': …}") from error
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise _no_header(name, "its shape is no tuple of sizes")
    if not isinstance(fortran, bool):
        raise _no_header(name, "its fortran_order is neither True nor False")
    if len(shape) > _MOST_DIMENSIONS:
        raise unusable(
            Rule.SHAPE,
            f"array {shown(name)} has {len(shape)} dimensions, expected at most {_MOST_DIMENSIONS}:"
            " reshape it",
            "arrays",
            name,
        )
    return shape, fortran, _dtype(descr, name)


def _dtype(descr: object, name: str) -> np.dtype[Any]:
    """The type of the numbers. Nothing but the few known ones reaches NumPy's own parser."""
    if isinstance(descr, str) and _NUMBERS.fullmatch(descr):
        return np.dtype(descr)
    if isinstance(descr, str) and descr.lstrip("<>|=").startswith("O"):
        raise unusable(
            Rule.PICKLE,
            f"array {shown(name)} holds pickled Python objects, which are never loaded; expected"
            " numbers: give every row the same shape and save it with"
            " np.asarray(rows, dtype='float32'), and text as the numbers of its classes",
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
        Rule.DTYPE,
        f"array {shown(name)} holds {received}, expected booleans, integers or floating point"
        f" numbers of at most 64 bits: {fix}",
        "arrays",
        name,
    )


_UNPARSABLE = (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError)
"""What Python raises at a literal that is none, or is nested without end."""


def _no_header(name: str, why: str) -> UnusableDataset:
    return unusable(
        Rule.NPY_HEADER,
        f"array {shown(name)} has no header of NumPy's ({why}): write it with np.save or np.savez",
        "arrays",
        name,
    )
