"""The bytes of a file that is going to be sent: opened, measured, and read as often as needed."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

#: How much is read, and handed to the connection, at once.
CHUNK_BYTES = 2**20
#: As long as a name may be.
_LONGEST_NAME = 100


class Source:
    """A file from the position it was given at to its end."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._file = file
        self._start = file.tell()
        self.bytes = file.seek(0, os.SEEK_END) - self._start
        self.sha256 = self._digest()

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Go through `length` bytes from `offset` on; fewer if the file has become shorter."""
        at, end = offset, offset + length
        while at < end:
            self._file.seek(self._start + at)
            chunk = self._file.read(min(CHUNK_BYTES, end - at))
            if not chunk:
                return
            yield chunk
            at += len(chunk)

    def _digest(self) -> bytes:
        found = hashlib.sha256()
        for chunk in self.read(0, self.bytes):
            found.update(chunk)
        return found.digest()


@contextmanager
def open_source(given: str | Path | IO[bytes], name: str | None) -> Iterator[Source]:
    """Open a path, or take over a file that is open in binary mode, which stays open.

    One that cannot be read twice, such as a pipe, goes through a temporary file. Raises OSError.
    """
    with ExitStack() as opened:
        file: BinaryIO
        if isinstance(given, str | Path):
            _check_file(Path(given))
            # Without a buffer: that of a pipe asks where it stands.
            file = cast(BinaryIO, opened.enter_context(Path(given).open("rb", buffering=0)))
        else:
            file = cast(BinaryIO, given)
            _check_binary(file)
        if not file.seekable():
            file = opened.enter_context(_spooled(file))
        yield Source(file, name or _name_of(given))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR,
            "expected a file; of a folder of images make a ZIP file, and upload that"
            " (shutil.make_archive(name, 'zip', folder))",
            str(path),
        )


def _check_binary(file: BinaryIO) -> None:
    if isinstance(file.read(0), str):
        raise TypeError('expected a file opened in binary mode, such as open(path, "rb")')


@contextmanager
def _spooled(file: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(prefix="ridgeline-") as kept:
        shutil.copyfileobj(file, kept, CHUNK_BYTES)
        kept.seek(0)
        yield cast(BinaryIO, kept)


def _name_of(given: str | Path | IO[bytes]) -> str:
    named = given if isinstance(given, str | Path) else getattr(given, "name", None)
    # A pipe's name is a number.
    text = Path(named).name if isinstance(named, str | Path) else "upload"
    return "".join(filter(str.isprintable, text))[:_LONGEST_NAME]
