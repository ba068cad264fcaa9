"""The two hashes of a file, computed in one pass.

Files are named by their SHA-256, and clients verify it. SHA-256 takes half a second per gigabyte,
so service/http/downloads.py verifies what it sends by 128-bit XXH3. That misses a disk error with a
probability of 2**-128. It does not protect against someone who writes into the store; the client's
check of the SHA-256 does.
"""

import hashlib
from io import BufferedIOBase
from typing import Protocol

import xxhash

_BLOCK_BYTES = 2**20


class Hash(Protocol):
    """The common interface of hashlib and xxhash."""

    def update(self, data: bytes, /) -> None:
        """Add the next bytes."""

    def hexdigest(self) -> str:
        """The hash of all bytes, in hex."""


class FileDigests:
    """The hashes of a stream of bytes; both release the interpreter lock."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._xxh3 = xxhash.xxh3_128()

    def update(self, data: bytes | memoryview) -> None:
        """Add the next bytes."""
        self._sha256.update(data)
        self._xxh3.update(data)

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes, in hex."""
        return self._sha256.hexdigest()

    @property
    def xxh3(self) -> str:
        """128-bit XXH3 of all bytes, in hex."""
        return self._xxh3.hexdigest()


def file_digests(file: BufferedIOBase) -> FileDigests:
    """Hash a file from its current position to its end."""
    digests = FileDigests()
    block = memoryview(bytearray(_BLOCK_BYTES))
    while count := file.readinto(block):
        digests.update(block[:count])
    return digests
