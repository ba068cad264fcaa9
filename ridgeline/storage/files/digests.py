"""The hashes of a file, both taken of the same bytes.

A file is named by its SHA-256, and clients check that. It takes half a second for a gigabyte, so
what is read again for a download is compared by XXH3 with 128 bits, which is faster than memory: a
fault of the disk escapes it once in 2**128 times. It is no defence against somebody who writes into
the store; the client's own look at the SHA-256 is.
"""

import hashlib
from io import BufferedIOBase
from typing import Protocol

import xxhash

_BLOCK_BYTES = 2**20


class Hash(Protocol):
    """What hashlib and xxhash have alike."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """The hash of all that came."""


class FileDigests:
    """The hashes of bytes that come one after the other; both let other threads run meanwhile."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._xxh3 = xxhash.xxh3_128()

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._sha256.update(data)
        self._xxh3.update(data)

    @property
    def sha256(self) -> str:
        """Of all that came, in hex."""
        return self._sha256.hexdigest()

    @property
    def xxh3(self) -> str:
        """XXH3 with 128 bits of all that came, in hex."""
        return self._xxh3.hexdigest()


def file_digests(file: BufferedIOBase) -> FileDigests:
    """Hash a file from where it stands to its end."""
    digests = FileDigests()
    block = memoryview(bytearray(_BLOCK_BYTES))
    while count := file.readinto(block):
        digests.update(block[:count])
    return digests
