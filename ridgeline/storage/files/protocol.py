"""What all stores of files have in common: keys, reading, and the URL of a store."""

import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from ridgeline.storage.errors import InvalidArtifactKey, UnusableArtifactStore

_BUCKETS = ("s3", "gs", "az")


class StoredObject(NamedTuple):
    """A file in a store, as listed."""

    key: str
    bytes: int
    modified_at: float
    """Seconds since 1970, by the store's clock."""


class BlobStore(Protocol):
    """Keeps files under keys.

    Every call may raise InvalidArtifactKey, and ArtifactsUnavailable if the store is remote.
    """

    def size(self, key: str) -> int:
        """The size of a file in bytes; raises UnknownArtifact."""

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes from `start` up to `end`, in chunks; raises UnknownArtifact.

        A shorter file gives fewer bytes. Close the generator to stop early.
        """

    def signed_url(self, key: str, seconds: float) -> str | None:
        """A URL from which anyone can download the file for a time; None if there is none."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; those that no longer exist are skipped."""


class Keys:
    """The keys of one store, as a pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def has(self, text: str) -> bool:
        """Whether `text` is a valid key."""
        return self._pattern.fullmatch(text) is not None

    def checked(self, key: str) -> str:
        """The key, if it is valid; raises InvalidArtifactKey."""
        if not self.has(key):
            raise InvalidArtifactKey(key)
        return key


def store_folder(url: str | None, folder: Path) -> Path | None:
    """The folder of the store at `url`, by default `folder`; None if it is in a bucket.

    `url` is `s3://bucket/prefix`, `gs://`, `az://`, or `file:///folder`; raises
    UnusableArtifactStore for anything else.
    """
    if url is None:
        return folder
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return Path(unquote(parts.path))
    if parts.scheme in _BUCKETS and parts.netloc:
        return None
    raise UnusableArtifactStore(
        f"Received a URL with the scheme {parts.scheme!r}; expected s3://bucket/prefix,"
        " gs://bucket/prefix, az://container/prefix or file:///folder."
    )
