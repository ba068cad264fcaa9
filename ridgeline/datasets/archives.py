"""ZIP files: their list of members is checked whole before a byte of a member is inflated."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from ridgeline.datasets.errors import Rule, shown, unusable
from ridgeline.datasets.limits import MAX_NAME_LENGTH, MEBIBYTE, InspectionLimits
from ridgeline.datasets.names import is_plain

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 2**16
_LOCAL_HEADER_BYTES = 30
_ENTRY_BYTES = 46
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What the standard library raises at a member that is not what the list says."""


@contextmanager
def open_archive(path: Path, limits: InspectionLimits) -> Iterator[zipfile.ZipFile]:
    """A ZIP file whose members may be read. Raises UnusableDataset where one may not."""
    with opened_archive(path, limits) as archive:
        yield archive


def opened_archive(path: Path, limits: InspectionLimits) -> zipfile.ZipFile:
    """The same, for who closes it."""
    _check_count(path, limits)
    try:
        archive = zipfile.ZipFile(path)
    except (*_UNREADABLE, ValueError) as error:
        raise _damaged(str(error)) from error
    try:
        check_members(archive.infolist(), archive.start_dir, path.stat().st_size, limits)
    except BaseException:
        archive.close()
        raise
    return archive


@contextmanager
def open_member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """A member's bytes. Raises UnusableDataset where they are not what the list says."""
    try:
        with archive.open(name) as stream:
            yield stream
    except _UNREADABLE as error:
        raise unusable(
            Rule.DAMAGED,
            f"member {shown(name)} cannot be inflated ({shown(str(error))}): the file may have been"
            " cut off or changed on its way; make the ZIP file and upload it again",
            "members",
            name,
        ) from error


def check_members(
    members: Sequence[zipfile.ZipInfo], end: int, file_bytes: int, limits: InspectionLimits
) -> None:
    """Raises UnusableDataset at a name, kind or size no honest member has.

    `end` is where the members end in the file.
    """
    names = set()
    for member in members:
        _check_name(member)
        _check_kind(member)
        if member.filename in names:
            raise unusable(
                Rule.DUPLICATE_MEMBER,
                f"two members are named {shown(member.filename)}, expected each name once: make the"
                " ZIP file anew from a folder",
                "members",
                member.filename,
            )
        names.add(member.filename)
    _check_overlap(members, end)
    _check_inflation(members, file_bytes, limits)


def _check_count(path: Path, limits: InspectionLimits) -> None:
    """Refuse a list of too many members before it is read: a million take a gigabyte."""
    count, list_bytes = _directory(path)
    if count > limits.members or list_bytes > limits.members * (_ENTRY_BYTES + MAX_NAME_LENGTH):
        raise unusable(
            Rule.TOO_MANY_MEMBERS,
            f"the ZIP file lists {count:,} members in {list_bytes:,} bytes, expected at most"
            f" {limits.members:,}: upload a sample of them, or small images as one array in an NPZ"
            " file",
            "members",
        )


def _directory(path: Path) -> tuple[int, int]:
    """How many members the file says it lists, and how many bytes the list takes (APPNOTE 4.3)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _LONGEST_COMMENT - _END.size - _LOCATOR_64.size)
        file.seek(start)
        tail = file.read()
        place = tail.rfind(b"PK\5\6")
        if place < 0 or len(tail) - place < _END.size:
            raise _damaged("it has no end record")
        _, _, _, _, count, list_bytes, _, _ = _END.unpack_from(tail, place)
        locator = place - _LOCATOR_64.size
        if locator < 0 or not tail[locator:].startswith(b"PK\6\7"):
            return count, list_bytes
        # Where the standard library looks for it: right before its locator.
        file.seek(max(0, start + locator - _END_64.size))
        record = file.read(_END_64.size)
        if not record.startswith(b"PK\6\6"):
            return count, list_bytes
        *_, count, list_bytes, _ = _END_64.unpack(record)
        return count, list_bytes


def _check_name(member: zipfile.ZipInfo) -> None:
    """A name that could leave the folder it is unpacked in, here or at whoever downloads it."""
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    unsafe = (
        not is_plain(name)
        or "\\" in name
        or name.startswith("/")
        or PureWindowsPath(name).drive
        or ".." in parts
    )
    if unsafe:
        raise unusable(
            Rule.UNSAFE_NAME,
            f"a member is named {shown(name)}, expected a plain path such as cats/1.png, without"
            f" `..`, backslashes or a drive, of at most {MAX_NAME_LENGTH} characters: make the ZIP"
            " file from inside the folder, with relative names",
            "members",
            name,
        )


def _check_kind(member: zipfile.ZipInfo) -> None:
    where = ("members", member.filename)
    if member.flag_bits & _ENCRYPTED:
        raise unusable(
            Rule.ENCRYPTED,
            f"member {shown(member.filename)} is encrypted, expected plain ones: make the ZIP file"
            " without a password",
            *where,
        )
    if member.compress_type not in _METHODS:
        raise unusable(
            Rule.COMPRESSION,
            f"member {shown(member.filename)} is compressed by method {member.compress_type},"
            " expected deflate (8) or none (0): make the ZIP file with the usual compression",
            *where,
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise unusable(
            Rule.SYMLINK,
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
        header = _LOCAL_HEADER_BYTES + len(member.filename.encode(errors="replace"))
        free = member.header_offset + header + member.compress_size
        if free > end:
            raise _overlapping(member)


def _overlapping(member: zipfile.ZipInfo) -> Exception:
    return unusable(
        Rule.OVERLAP,
        f"member {shown(member.filename)} shares its bytes with another one, or with the list of"
        " members; expected each to have its own: make the ZIP file anew from a folder",
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
            Rule.ZIP_BOMB,
            f"the members would inflate to {inflated // MEBIBYTE:,} MiB, expected at most"
            f" {most // MEBIBYTE:,} MiB of a file of {file_bytes:,} bytes: upload arrays of mostly"
            " equal numbers uncompressed (np.savez), or fewer of them",
            "members",
        )


def _damaged(message: str) -> Exception:
    return unusable(
        Rule.DAMAGED,
        f"it cannot be read as a ZIP file ({shown(message)}): it may have been cut off on its way;"
        " make it and upload it again",
    )
