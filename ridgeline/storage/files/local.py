"""Files in a folder, by their keys."""

from collections.abc import Generator, Iterable
from io import FileIO
from pathlib import Path

from ridgeline.storage.errors import UnknownArtifact
from ridgeline.storage.files.protocol import Keys

CHUNK_BYTES = 2**19


class FolderFiles:
    """A BlobStore below the folder `root`."""

    def __init__(self, root: Path, keys: Keys) -> None:
        self._root = root
        self._keys = keys

    def path(self, key: str) -> Path:
        """The path of a file; raises InvalidArtifactKey and UnknownArtifact."""
        path = self._place(key)
        if not path.is_file():
            raise UnknownArtifact(key)
        return path

    def size(self, key: str) -> int:
        """The size of a file in bytes; raises InvalidArtifactKey and UnknownArtifact."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:  # deleted after path() has checked
            raise UnknownArtifact(key) from None

    def open(self, key: str) -> FileIO:
        """Open a file for reading; raises InvalidArtifactKey and UnknownArtifact."""
        try:
            return self.path(key).open("rb", buffering=0)
        except FileNotFoundError:  # deleted after path() has checked
            raise UnknownArtifact(key) from None

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, in chunks; raises InvalidArtifactKey and UnknownArtifact."""
        with self.open(key) as file:
            file.seek(start)
            while start < end and (chunk := file.read(min(CHUNK_BYTES, end - start))):
                start += len(chunk)
                yield chunk

    def signed_url(self, key: str, seconds: float) -> str | None:
        """None: a folder has no URL."""
        del key, seconds
        return None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; raises InvalidArtifactKey."""
        for path in [self._place(key) for key in keys]:
            path.unlink(missing_ok=True)

    def _place(self, key: str) -> Path:
        """Where the file of `key` is; raises InvalidArtifactKey."""
        return self._root / self._keys.checked(key)
