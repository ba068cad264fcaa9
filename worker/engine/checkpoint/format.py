"""The file of a checkpoint: a JSON header, the arrays as raw bytes, one hash over everything.

    magic (8 bytes), version (u32), length of the header (u64)
    header: JSON in UTF-8
    the arrays, one after the other: C order, little-endian
    SHA-256 of all that comes before

Nothing in it is code: no pickle is written, and none would be read.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from ridgeline.failpoints import failpoint

MAGIC = b"\x89RGLCKP\n"
VERSION = 1
MAX_HEADER_BYTES = 64 * 2**20
_PREFIX = struct.Struct("<8sIQ")
_DIGEST_BYTES = hashlib.sha256().digest_size
_MAX_AXES = 32
_KINDS = (
    *(np.bool_, np.int8, np.int16, np.int32, np.int64),
    *(np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, ml_dtypes.bfloat16, np.float32, np.float64),
    *(np.complex64, np.complex128),
)
_DTYPES: dict[str, np.dtype[Any]] = {np.dtype(kind).name: np.dtype(kind) for kind in _KINDS}


class UnusableCheckpoint(Exception):
    """The file is not a complete checkpoint of this training; the message says why."""


@dataclass(frozen=True)
class Header:
    """The header of a checkpoint file."""

    epoch: int
    key: str
    """The fingerprint of the training that may use it."""
    state: Mapping[str, Any]
    """JSON values; infinities and NaN are kept."""
    history: Mapping[str, Any]
    """The part of the history that belongs to it, as JSON values."""


def write_checkpoint(path: Path, header: Header, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the file, durably but for its name; no array is copied unless it is not contiguous.

    Raises TypeError for a dtype that is none of numbers, ValueError for a header that is too long,
    and OSError as it comes.
    """
    head = _encoded(header, arrays)
    with path.open("wb") as file:
        failpoint("checkpoint.before_write")
        digest = hashlib.sha256()
        for part in (_PREFIX.pack(MAGIC, VERSION, len(head)), head):
            file.write(part)
            digest.update(part)
        for array in arrays.values():
            data = _bytes_of(np.ascontiguousarray(array, _stored(array.dtype)))
            file.write(data)
            failpoint("checkpoint.half_written")
            digest.update(data)
        file.write(digest.digest())
        file.flush()
        failpoint("checkpoint.before_sync")
        os.fsync(file.fileno())


def read_checkpoint(path: Path, key: str) -> tuple[Header, dict[str, np.ndarray]]:
    """The content of the file, if it is complete and has this key.

    No size that the file states is believed before it was compared with the file's own. Raises
    UnusableCheckpoint, and OSError as it comes.
    """
    with path.open("rb") as file:
        reader = _HashingReader(file)
        head = reader.exactly(_header_bytes(reader))
        header, table = _decoded(head)
        if header.key != key:
            raise UnusableCheckpoint("it is of another spec or of other software")
        _check_sizes(table, reader.left)
        arrays = {name: reader.array(dtype, shape) for name, dtype, shape, _ in table}
        if reader.digest() != file.read(_DIGEST_BYTES):
            raise UnusableCheckpoint("its bytes are not those that were written")
    return header, arrays


_Row = tuple[str, np.dtype[Any], tuple[int, ...], int]
"""An array in the header's table: name, dtype, shape, offset from the end of the header."""


class _HashingReader:
    """Reads a file once, and hashes what it reads."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.left = os.fstat(file.fileno()).st_size - _DIGEST_BYTES
        """Bytes before the hash that are not read yet."""

    def exactly(self, count: int) -> bytes:
        if count > self.left:
            raise UnusableCheckpoint("it is cut short")
        data = bytearray(count)
        self._fill(memoryview(data))
        return bytes(data)

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
        array = np.empty(shape, dtype)
        self._fill(_bytes_of(array))
        return array

    def digest(self) -> bytes:
        return self._hash.digest()

    def _fill(self, view: memoryview) -> None:
        if self._file.readinto(view) != len(view):
            raise UnusableCheckpoint("it was cut short while it was read")
        self._hash.update(view)
        self.left -= len(view)


def _header_bytes(reader: _HashingReader) -> int:
    magic, version, length = _PREFIX.unpack(reader.exactly(_PREFIX.size))
    if magic != MAGIC:
        raise UnusableCheckpoint("it is no checkpoint")
    if version != VERSION:
        raise UnusableCheckpoint(f"its format is version {version}; expected {VERSION}")
    if length > min(MAX_HEADER_BYTES, reader.left):
        raise UnusableCheckpoint(f"its header would have {length} bytes")
    return int(length)


def _encoded(header: Header, arrays: Mapping[str, np.ndarray]) -> bytes:
    table, offset = [], 0
    for name, array in arrays.items():
        dtype = _stored(array.dtype).name
        table.append({"name": name, "dtype": dtype, "shape": array.shape, "offset": offset})
        offset += array.nbytes
    values = {
        "epoch": header.epoch,
        "key": header.key,
        "history": header.history,
        "state": header.state,
        "arrays": table,
    }
    head = json.dumps(values, separators=(",", ":")).encode()
    if len(head) > MAX_HEADER_BYTES:
        raise ValueError(
            f"the state and the names of a checkpoint take {len(head)} bytes; expected at most"
            f" {MAX_HEADER_BYTES}: put large values into arrays"
        )
    return head


def _decoded(head: bytes) -> tuple[Header, list[_Row]]:
    try:
        values = json.loads(head)
        table = [_row(each) for each in values["arrays"]]
        header = Header(values["epoch"], values["key"], values["state"], values["history"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableCheckpoint("its header cannot be read") from error
    if len({name for name, *_ in table}) < len(table) or not _is_count(header.epoch):
        raise UnusableCheckpoint("its header contradicts itself")
    return header, table


def _row(values: Mapping[str, Any]) -> _Row:
    shape, offset = tuple(values["shape"]), values["offset"]
    if len(shape) > _MAX_AXES or not all(map(_is_count, (*shape, offset))):
        raise ValueError
    return str(values["name"]), _DTYPES[values["dtype"]], shape, offset


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _check_sizes(table: list[_Row], available: int) -> None:
    """Check that the arrays fill the file up to its hash, without gaps."""
    end = 0
    for name, dtype, shape, offset in table:
        if offset != end:
            raise UnusableCheckpoint(f"its array {name!r} is not where it should be")
        end += prod(shape) * dtype.itemsize
    if end != available:
        raise UnusableCheckpoint(f"its arrays take {end} bytes, and it has {available}")


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in the file, in which the other byte order is the same; raises TypeError."""
    stored = _DTYPES.get(dtype.name)
    if stored is None:
        raise TypeError(
            f"received an array of dtype {dtype}; a checkpoint holds {', '.join(_DTYPES)}"
        )
    return stored.newbyteorder("<")


def _bytes_of(array: np.ndarray) -> memoryview:
    """The memory of a contiguous array; bfloat16 has no buffer of its own kind."""
    return array.reshape(-1).view(np.uint8).data
