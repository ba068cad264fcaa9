"""The interface of artifact stores, and their keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from ridgeline.storage.files.marker import Marker
from ridgeline.storage.files.protocol import BlobStore, Keys

# A segment never starts with a dot, so no key names `..`, a hidden file or the staging folder.
KEYS = Keys(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){1,7}")


class StoredFile(NamedTuple):
    """A published file."""

    key: str
    bytes: int
    sha256: str
    xxh3: str


class AttemptFiles(NamedTuple):
    """The files of one attempt in the store, published or not."""

    job_id: str
    fence: int
    keys: tuple[str, ...]
    """The keys of those in the folder of published files."""
    modified_at: float
    """When the newest was written, in seconds since 1970."""


class AttemptCheckpoints(Protocol):
    """The checkpoints of one attempt: a folder, which may have to be copied elsewhere."""

    folder: Path
    """A private folder that the trainer reads and writes."""
    shared: bool
    """Whether the next attempt reads the same folder, so that save() need not be called."""

    def fetch(self) -> None:
        """Copy the newest checkpoint of earlier attempts into the folder."""

    def save(self) -> None:
        """Copy the newest checkpoint in the folder to where it survives this machine."""

    def saved_epoch(self) -> int:
        """The epoch of the newest checkpoint that the next attempt can resume from; 0: none."""


class ArtifactStore(BlobStore, Protocol):
    """Keeps the files that attempts publish, under keys `job_id/fence/name`."""

    def check(self) -> None:
        """Check quickly that the store responds.

        Raises ArtifactsUnavailable, and UnusableArtifactStore if retrying cannot help.
        """

    @property
    def marker(self) -> Marker:
        """The marker with the identity of the database that owns the store."""

    def staging(self, job_id: str, fence: int) -> Path:
        """The private folder in which an attempt creates its files."""

    def attempt_checkpoints(self, job_id: str, fence: int) -> AttemptCheckpoints:
        """The checkpoints that an attempt resumes from and writes."""

    def checkpointed(self) -> list[str]:
        """The jobs that have checkpoints."""

    def publish(self, staged_file: Path, key: str) -> StoredFile:
        """Move a finished file into the store, durably."""

    def clear_staging(self, job_id: str, fence: int) -> None:
        """Delete the staged files of an attempt, but not its published ones."""

    def discard(self, job_id: str, fence: int) -> None:
        """Delete the staged and published files of an attempt that has lost its job."""

    def discard_before(self, job_id: str, fence: int) -> None:
        """Delete the staged and published files of attempts with a fence below `fence`."""

    def discard_checkpoints(self, job_id: str) -> None:
        """Delete the checkpoints of a job that has ended."""

    def delete_job(self, job_id: str) -> None:
        """Delete all files of a job, recorded or not."""

    def attempts(self) -> Iterator[AttemptFiles]:
        """All attempts that have files in the store."""


def artifact_key(job_id: str, fence: int, name: str) -> str:
    """The key of a file that an attempt publishes; raises InvalidArtifactKey.

    Attempts have distinct keys, so a worker that has lost its job cannot overwrite a result.
    """
    return KEYS.checked(f"{job_id}/{fence}/{name}")
