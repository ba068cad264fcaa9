"""What every store of artifacts can do, and the keys of what lies in it."""

import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from ridgeline.storage.errors import InvalidArtifactKey
from ridgeline.storage.files.marker import Marker

# A segment never starts with a dot, so no key names `..`, a hidden file or the staging folder.
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){1,7}")


class StoredFile(NamedTuple):
    """A published file."""

    key: str
    bytes: int
    sha256: str
    xxh3: str


class AttemptFiles(NamedTuple):
    """What one attempt has left in the store, published or not."""

    job_id: str
    fence: int
    keys: tuple[str, ...]
    """Those of its files that are in the place of published ones."""
    modified_at: float
    """When the newest of its files was written; seconds since 1970."""


class AttemptCheckpoints(Protocol):
    """The checkpoints of one attempt: a folder, and where it has to be copied to if at all."""

    folder: Path
    """Private; the trainer reads it, and writes into it."""
    shared: bool
    """Whether the folder itself is where the next attempt will look: nothing need be saved."""

    def fetch(self) -> None:
        """Bring the newest checkpoint of earlier attempts into the folder."""

    def save(self) -> None:
        """Copy the newest checkpoint in the folder to where it outlives this machine."""


class ArtifactStore(Protocol):
    """Keeps the files that attempts publish, under keys `job_id/fence/name`.

    Every call may raise InvalidArtifactKey, and ArtifactsUnavailable where the store is elsewhere.
    """

    def check(self) -> None:
        """Ask for a sign of life, quickly.

        Raises ArtifactsUnavailable, and UnusableArtifactStore for what no waiting will mend.
        """

    @property
    def marker(self) -> Marker:
        """The mark that says whose the store is."""

    def staging(self, job_id: str, fence: int) -> Path:
        """The private folder in which one attempt makes its files."""

    def attempt_checkpoints(self, job_id: str, fence: int) -> "AttemptCheckpoints":
        """The place in which one attempt finds what to go on from, and keeps its checkpoints."""

    def checkpointed(self) -> list[str]:
        """The jobs that have checkpoints."""

    def publish(self, staged_file: Path, key: str) -> StoredFile:
        """Move a finished file into the store, durably."""

    def size(self, key: str) -> int:
        """The bytes of a published file; raises UnknownArtifact."""

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes from `start` to before `end`, a chunk at a time; raises UnknownArtifact.

        Fewer come where the file is shorter. Close it to stop early.
        """

    def signed_url(self, key: str, seconds: float) -> str | None:
        """An address that gives the file to whoever has it, for a time; None: there is none."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete published files; those that are gone already are passed over."""

    def clear_staging(self, job_id: str, fence: int) -> None:
        """Delete what an attempt staged, and keep what it published."""

    def discard(self, job_id: str, fence: int) -> None:
        """Delete what an attempt staged and what it published: for one that lost its job."""

    def discard_before(self, job_id: str, fence: int) -> None:
        """Delete what earlier attempts than `fence` staged and published: their workers died."""

    def discard_checkpoints(self, job_id: str) -> None:
        """Delete a job's checkpoints: it has ended."""

    def delete_job(self, job_id: str) -> None:
        """Delete everything of a job, whoever recorded it."""

    def attempts(self) -> Iterator[AttemptFiles]:
        """Every attempt that has files here, for whoever looks for garbage."""


def artifact_key(job_id: str, fence: int, name: str) -> str:
    """The key of a file that an attempt publishes; raises InvalidArtifactKey.

    Keys of two attempts never meet, so a worker that has lost its job cannot overwrite a result.
    """
    return checked_key(f"{job_id}/{fence}/{name}")


def checked_key(key: str) -> str:
    """The key, if it is one; raises InvalidArtifactKey."""
    if not is_key(key):
        raise InvalidArtifactKey(key)
    return key


def is_key(text: str) -> bool:
    """Whether `text` can be the key of a file."""
    return _KEY.fullmatch(text) is not None
