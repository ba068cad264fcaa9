"""ZIP files: the whole list of members is checked before any member is inflated."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from ridgeline.formats.errors import FileRule, UnusableDataset, is_plain, shown, unusable
from ridgeline.formats.limits import MAX_PATH_LENGTH, MEBIBYTE, InspectionLimits

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 2**16
_LOCAL_HEADER_BYTES = 30
_ENTRY_BYTES = 46
_USUAL_NAME = 200
"""Average bytes per member, for its path and extra fields, that a central directory may have."""
_ENCRYPTED = 0x1
_UTF8 = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What the standard library raises if a member differs from its directory entry."""


@contextmanager
def open_archive(path: Path, limits: InspectionLimits) -> Iterator[zipfile.ZipFile]:
    """A ZIP file whose members are safe to read. Raises UnusableDataset if one is not."""
    with opened_archive(path, limits) as archive:
        yield archive


def opened_archive(path: Path, limits: InspectionLimits) -> zipfile.ZipFile:
    """The same without a `with` block; the caller closes it."""
    _check_count(path, limits)
    try:
        archive = zipfile.ZipFile(path)
    except (*_UNREADABLE, ValueError, struct.error) as error:
        raise _damaged(str(error)) from error
    try:
        check_members(archive.infolist(), archive.start_dir, path.stat().st_size, limits)
    except BaseException:
        archive.close()
        raise
    return archive


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """A member's bytes. Raises UnusableDataset if they differ from the directory entry."""
    try:
        with archive.open(name) as stream:
            yield stream
    except UnusableDataset:
        raise
    except (*_UNREADABLE, ValueError, struct.error) as error:
        raise unusable(
            FileRule.DAMAGED,
            f"member {shown(name)} cannot be inflated ({shown(str(error))}): the file may have been"
            " truncated or changed in transfer; create the ZIP file and upload it again",
            "members",
            name,
        ) from error


def check_members(
    members: Sequence[zipfile.ZipInfo], end: int, file_bytes: int, limits: InspectionLimits
) -> None:
    """Raise UnusableDataset at an unsafe name, kind or size.

    `end` is the offset at which the members end.
    """
    names = set()
    for member in members:
        _check_name(member)
        _check_kind(member)
        if member.filename in names:
            raise unusable(
                FileRule.DUPLICATE_MEMBER,
                f"two members are named {shown(member.filename)}, expected each name once: create"
                " the ZIP file again from a folder",
                "members",
                member.filename,
            )
        names.add(member.filename)
    _check_overlap(members, end)
    _check_inflation(members, file_bytes, limits)


def _check_count(path: Path, limits: InspectionLimits) -> None:
    """Reject too many members before the directory is read: a million take a gigabyte."""
    with path.open("rb") as file:
        end, list_bytes = _directory(file)
        if list_bytes > end:
            raise _damaged("its list of members is longer than the file")
        count = list_bytes // _ENTRY_BYTES
        if list_bytes <= limits.members * (_ENTRY_BYTES + _USUAL_NAME):
            # Counted, because the stored count may be false.
            file.seek(max(0, end - list_bytes))
            count = file.read(list_bytes).count(b"PK\1\2")
    if count > limits.members:
        raise unusable(
            FileRule.TOO_MANY_MEMBERS,
            f"the ZIP file lists about {count:,} members, expected at most {limits.members:,}:"
            " upload a sample of them, or small images as one array in an NPZ file",
            "members",
        )


def _directory(file: IO[bytes]) -> tuple[int, int]:
    """Offset of the end of the central directory, and its size in bytes (APPNOTE 4.3).

    Located as the standard library does: from the end of the file backwards.
    """
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _LONGEST_COMMENT - _END.size - _LOCATOR_64.size)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) - place < _END.size:
        raise _damaged("it has no end record")
    list_bytes = _END.unpack_from(tail, place)[5]
    locator = place - _LOCATOR_64.size
    if locator >= 0 and tail[locator:].startswith(b"PK\6\7"):
        record = max(0, start + locator - _END_64.size)
        file.seek(record)
        content = file.read(_END_64.size)
        if content.startswith(b"PK\6\6"):
            return record, _END_64.unpack(content)[8]
    return start + place, list_bytes


def _check_name(member: zipfile.ZipInfo) -> None:
    """Raise UnusableDataset at a name that could escape the folder it is unpacked into."""
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    unsafe = (
        not is_plain(name, MAX_PATH_LENGTH)
        or "\\" in name
        or name.startswith("/")
        or PureWindowsPath(name).drive
        or ".." in parts
    )
    if unsafe:
        raise unusable(
            FileRule.UNSAFE_NAME,
            f"a member is named {shown(name)}, expected a plain path such as cats/1.png, without"
            f" `..`, backslashes or a drive, of at most {MAX_PATH_LENGTH:,} characters: create the"
            " ZIP file inside the folder, with relative names",
            "members",
            name,
        )


def _check_kind(member: zipfile.ZipInfo) -> None:
    where = ("members", member.filename)
    if member.flag_bits & _ENCRYPTED:
        raise unusable(
            FileRule.ENCRYPTED,
            f"member {shown(member.filename)} is encrypted, expected no encryption: create the ZIP"
            " file without a password",
            *where,
        )
    if member.compress_type not in _METHODS:
        raise unusable(
            FileRule.COMPRESSION,
            f"member {shown(member.filename)} is compressed by method {member.compress_type},"
            " expected deflate (8) or none (0): create the ZIP file with the usual compression",
            *where,
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise unusable(
            FileRule.SYMLINK,
            f"member {shown(member.filename)} is a link or a device, expected files and folders:"
            " put the file itself in the ZIP file (`zip -r` without `--symlinks`)",
            *where,
        )


def _check_overlap(members: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Members that share bytes are how a small file inflates without bound (Fifield, 2019)."""
    free = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < free:
            raise _overlapping(member)
        header = _LOCAL_HEADER_BYTES + _name_bytes(member)
        free = member.header_offset + header + member.compress_size
        if free > end:
            raise _overlapping(member)


def _name_bytes(member: zipfile.ZipInfo) -> int:
    """Bytes of the name in the file: UTF-8, or one byte per letter in MS-DOS's code page."""
    name = member.orig_filename
    return len(name.encode()) if member.flag_bits & _UTF8 else len(name)


def _overlapping(member: zipfile.ZipInfo) -> Exception:
    return unusable(
        FileRule.OVERLAP,
        f"member {shown(member.filename)} shares bytes with another member or with the directory;"
        " expected no overlap: create the ZIP file again from a folder",
        "members",
        member.filename,
    )


def _check_inflation(
    members: Sequence[zipfile.ZipInfo], file_bytes: int, limits: InspectionLimits
) -> None:
    inflated = sum(member.file_size for member in members)
    most = min(limits.inflated_bytes, limits.free_bytes + limits.ratio * file_bytes)
    if inflated > most:
        raise unusable(
            FileRule.ZIP_BOMB,
            f"the members would inflate to {inflated // MEBIBYTE:,} MiB, expected at most"
            f" {most // MEBIBYTE:,} MiB for a file of {file_bytes:,} bytes: store arrays of mostly"
            " equal numbers uncompressed (np.savez), or upload fewer",
            "members",
        )


def _damaged(message: str) -> Exception:
    return unusable(
        FileRule.DAMAGED,
        f"the file cannot be read as a ZIP file ({shown(message)}): it may have been truncated in"
        " transfer; create it and upload it again",
    )
