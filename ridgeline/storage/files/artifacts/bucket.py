"""An artifact store in a bucket. What attempts make lies on the worker's disk until it is whole."""

from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from io import BytesIO
from itertools import groupby
from pathlib import Path

from ridgeline.storage.errors import ArtifactExists, DamagedArtifact, UnknownArtifact
from ridgeline.storage.files.artifacts.checkpoints import ROOT, BucketCheckpoints
from ridgeline.storage.files.artifacts.local import LocalArtifacts
from ridgeline.storage.files.artifacts.protocol import AttemptFiles, StoredFile, checked_key, is_key
from ridgeline.storage.files.bucket import Bucket, Retrying, StoredObject
from ridgeline.storage.files.digests import file_digests
from ridgeline.storage.files.marker import MARKER, MAX_MARKER_BYTES

_ATTEMPT_PARTS = 3


class BucketMarker:
    """The mark of a store in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @property
    def place(self) -> str:
        """The URL, without a password."""
        return self._bucket.place

    def read(self) -> bytes | None:
        """What the mark says, or None if there is none; raises ArtifactsUnavailable."""
        try:
            size = self._bucket.size(MARKER)
            return b"".join(self._bucket.read(MARKER, 0, min(size, MAX_MARKER_BYTES)))
        except UnknownArtifact:
            return None

    def create(self, data: bytes) -> None:
        """Set the mark unless there is one; raises ArtifactExists and ArtifactsUnavailable."""
        self._bucket.put(MARKER, BytesIO(data), len(data), create=True)

    def replace(self, data: bytes) -> None:
        """Set the mark, whatever there is."""
        self._bucket.put(MARKER, BytesIO(data), len(data))


class ObjectArtifacts:
    """An ArtifactStore below a URL such as `s3://bucket/prefix`; see Bucket.

    Nobody else may use the prefix: what no job knows there is garbage, and is deleted.
    """

    def __init__(self, url: str, scratch: Path, retrying: Retrying | None = None) -> None:
        """Keep in `scratch`, a folder made when needed, what is not published yet.

        Raises UnusableArtifactStore for a URL of another kind; nothing is asked of the store yet.
        """
        self.url = url
        self._bucket = Bucket(url, retrying)
        self.marker = BucketMarker(self._bucket)
        self._folder = scratch

    @cached_property
    def scratch(self) -> LocalArtifacts:
        """What lies on this machine: the folders of attempts that run here, or were killed here."""
        return LocalArtifacts(self._folder)

    def check(self) -> None:
        """Ask for a sign of life; raises ArtifactsUnavailable and UnusableArtifactStore."""
        self._bucket.check()

    def staging(self, job_id: str, fence: int) -> Path:
        """Create and return the private folder of one attempt, on this machine."""
        return self.scratch.staging(job_id, fence)

    def attempt_checkpoints(self, job_id: str, fence: int) -> BucketCheckpoints:
        """The attempt's checkpoints: a private folder on this machine, copied by save()."""
        folder = self.scratch.private_checkpoints(job_id, fence)
        return BucketCheckpoints(self._bucket, job_id, fence, folder)

    def checkpointed(self) -> list[str]:
        """The jobs that have checkpoints in the bucket."""
        names = {each.path.split("/")[1] for each in self._bucket.objects(ROOT)}
        return sorted(job_id for job_id in names if is_key(f"{job_id}/0"))

    def publish(self, staged_file: Path, key: str) -> StoredFile:
        """Hash the file, upload it, and read it back to see that it arrived.

        After a crash at any point the key holds the whole file or none. A call that was broken off
        can be repeated. Raises InvalidArtifactKey, InvalidStagedFile, ArtifactExists,
        DamagedArtifact, ArtifactsUnavailable, and OSError as it comes.
        """
        checked_key(key)
        existed = False
        with self.scratch.staged(staged_file) as file:
            digests = file_digests(file)
            stored = StoredFile(key, file.tell(), digests.sha256, digests.xxh3)
            file.seek(0)
            try:
                self._bucket.put(key, file, stored.bytes, create=True)
            except ArtifactExists:  # by a call whose answer was lost, if the bytes are the same
                existed = True
        if self._bucket.sha256(key, stored.bytes) != stored.sha256:
            raise ArtifactExists(key) if existed else DamagedArtifact(key)
        staged_file.unlink()
        return stored

    def size(self, key: str) -> int:
        """The bytes of a published file; raises UnknownArtifact."""
        return self._bucket.size(checked_key(key))

    def read(self, key: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes of a range, 4 MiB at a time; raises UnknownArtifact."""
        return self._bucket.read(checked_key(key), start, end)

    def signed_url(self, key: str, seconds: float) -> str | None:
        """An address that gives the file to whoever has it, for a time."""
        return self._bucket.signed_url(checked_key(key), seconds)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete published files; those that are gone already are passed over."""
        self._bucket.delete([checked_key(key) for key in keys])

    def clear_staging(self, job_id: str, fence: int) -> None:
        """Delete what an attempt has on this machine; copies of its checkpoints stay."""
        if self._folder.is_dir():
            self.scratch.clear_staging(job_id, fence)

    def discard(self, job_id: str, fence: int) -> None:
        """Delete what an attempt staged and what it published: for one that lost its job."""
        self.clear_staging(job_id, fence)
        self._bucket.delete_below(checked_key(f"{job_id}/{fence}"))

    def discard_before(self, job_id: str, fence: int) -> None:
        """Delete what earlier attempts than `fence` staged here and published."""
        if self._folder.is_dir():
            self.scratch.discard_before(job_id, fence)
        for name in self._bucket.folders(checked_key(f"{job_id}/0").rpartition("/")[0]):
            if name.isdecimal() and int(name) < fence:
                self._bucket.delete_below(f"{job_id}/{name}")

    def discard_checkpoints(self, job_id: str) -> None:
        """Delete a job's checkpoints: it has ended."""
        checked_key(f"{job_id}/0")
        self._bucket.delete_below(f"{ROOT}/{job_id}")

    def delete_job(self, job_id: str) -> None:
        """Delete everything of a job, less what lies on other machines: they look after that."""
        self.discard_checkpoints(job_id)
        self._bucket.delete_below(job_id)
        if self._folder.is_dir():
            self.scratch.delete_job(job_id)

    def attempts(self) -> Iterator[AttemptFiles]:
        """Every attempt that has published files, in the order of their keys."""
        ours = (each for each in self._bucket.objects() if _is_published(each))
        for folder, group in groupby(ours, lambda each: each.path.rpartition("/")[0]):
            files = list(group)
            job_id, fence = folder.split("/")
            newest = max(file.modified_at for file in files)
            yield AttemptFiles(job_id, int(fence), tuple(file.path for file in files), newest)


def _is_published(each: StoredObject) -> bool:
    parts = each.path.split("/")
    return is_key(each.path) and len(parts) == _ATTEMPT_PARTS and parts[1].isdecimal()
