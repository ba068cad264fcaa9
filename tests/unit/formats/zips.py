"""Builds ZIP files that no honest program writes."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """A member as the central directory declares it, truthfully or not."""

    name: bytes
    content: bytes = b""
    offset: int | None = None
    """The declared offset of its header; None: the true one."""
    size: int | None = None
    """The declared inflated size; None: the true one."""
    stored_size: int | None = None
    flags: int = 0
    method: int = 0
    mode: int = 0
    """The Unix file mode."""
    crc: int = field(default=0)


def archive(entries: Sequence[Entry], *, zip64: bool = False, count: int | None = None) -> bytes:
    """The file's bytes; the end record declares `count` members."""
    body = b""
    listed = []
    for entry in entries:
        offset = len(body) if entry.offset is None else entry.offset
        if entry.offset is None:
            body += b"PK\3\4" + struct.pack("<5H", 20, entry.flags, entry.method, 0, 0)
            body += _sizes(entry) + struct.pack("<2H", len(entry.name), 0)
            body += entry.name + entry.content
        listed.append(
            b"PK\1\2"
            + struct.pack("<6H", 0x0314, 20, entry.flags, entry.method, 0, 0)
            + _sizes(entry)
            + struct.pack("<5H2L", len(entry.name), 0, 0, 0, 0, entry.mode << 16, offset)
            + entry.name
        )
    directory = b"".join(listed)
    declared = len(entries) if count is None else count
    return body + directory + end_record(declared, len(directory), len(body), zip64=zip64)


def _sizes(entry: Entry) -> bytes:
    stored = len(entry.content) if entry.stored_size is None else entry.stored_size
    size = len(entry.content) if entry.size is None else entry.size
    return struct.pack("<3L", entry.crc or zlib.crc32(entry.content), stored, size)


def end_record(count: int, list_bytes: int, start: int, *, zip64: bool) -> bytes:
    """The record after the central directory, which begins at `start`."""
    if not zip64:
        return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, list_bytes, start, 0)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, list_bytes, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + list_bytes, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return record + locator + last
