"""An artifact store in a bucket; unfinished files of attempts are on the worker's disk.

Checkpoints are copied from there to the bucket:

    .checkpoints/JOB/FENCE/TERM-EPOCH/TERM-EPOCH.checkpoint
    .checkpoints/JOB/FENCE/TERM-EPOCH/TERM.history
    .checkpoints/JOB/FENCE/TERM-EPOCH/manifest.json

The manifest is written last, with the hashes of the other files; a checkpoint without one does not
count. Each attempt writes below its own fence and the highest fence wins, so an attempt that has
lost its job does no damage.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ridgeline.storage.errors import ArtifactExists, DamagedArtifact, UnknownArtifact
from ridgeline.storage.files.artifacts.local import LocalArtifacts, newest_epoch
from ridgeline.storage.files.artifacts.protocol import KEYS, AttemptFiles, StoredFile
from ridgeline.storage.files.bucket import Bucket, BucketFiles, BucketMarker, Retrying
from ridgeline.storage.files.digests import file_digests

CHECKPOINTS = ".checkpoints"
_ATTEMPT_PARTS = 3
GENERATIONS = 2
_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 2**16
_NAME = re.compile(r"(\d{6,})-(\d{9,})")
_FILE = re.compile(r"\d{6,}-\d{9,}\.checkpoint|\d{6,}\.history")

logger = logging.getLogger(__name__)


class ObjectArtifacts(BucketFiles):
    """An ArtifactStore below a URL such as `s3://bucket/prefix`; see Bucket.

    Nothing else may use the prefix: files that belong to no job are deleted as garbage.
    """

    def __init__(self, url: str, scratch: Path, retrying: Retrying | None = None) -> None:
        """Use the folder `scratch`, created when needed, for files that are not published yet.

        Raises UnusableArtifactStore for any other URL. Sends no request.
        """
        super().__init__(Bucket(url, retrying), KEYS)
        self.url = url
        self.marker = BucketMarker(self._bucket)
        self._folder = scratch

    @cached_property
    def scratch(self) -> LocalArtifacts:
        """The folders of attempts on this machine, running or killed."""
        return LocalArtifacts(self._folder)

    def check(self) -> None:
        """Check that the store responds; raises ArtifactsUnavailable and UnusableArtifactStore."""
        self._bucket.check()

    def staging(self, job_id: str, fence: int) -> Path:
        """Create and return the private folder of an attempt, on this machine."""
        return self.scratch.staging(job_id, fence)

    def attempt_checkpoints(self, job_id: str, fence: int) -> "BucketCheckpoints":
        """The attempt's checkpoints: a private folder on this machine, copied by save()."""
        folder = self.scratch.private_checkpoints(job_id, fence)
        return BucketCheckpoints(self._bucket, job_id, fence, folder)

    def checkpointed(self) -> list[str]:
        """The ids of jobs that have checkpoints in the bucket."""
        names = {stored.key.split("/")[1] for stored in self._bucket.objects(CHECKPOINTS)}
        return sorted(job_id for job_id in names if KEYS.has(f"{job_id}/0"))

    def publish(self, staged_file: Path, key: str) -> StoredFile:
        """Hash the file, send it to the bucket, and read it back to verify it.

        After a crash at any point the key has the whole file or none. An interrupted call can be
        repeated. Raises InvalidArtifactKey, InvalidStagedFile, ArtifactExists, DamagedArtifact,
        ArtifactsUnavailable, and any OSError.
        """
        KEYS.checked(key)
        existed = False
        with self.scratch.staged(staged_file) as file:
            digests = file_digests(file)
            stored = StoredFile(key, file.tell(), digests.sha256, digests.xxh3)
            file.seek(0)
            try:
                self._bucket.put(key, file, stored.bytes, create=True)
            except ArtifactExists:  # if the bytes are the same, by a call whose reply was lost
                existed = True
        if self._bucket.sha256(key, stored.bytes) != stored.sha256:
            raise ArtifactExists(key) if existed else DamagedArtifact(key)
        staged_file.unlink()
        return stored

    def clear_staging(self, job_id: str, fence: int) -> None:
        """Delete the files of an attempt on this machine; copies of its checkpoints stay."""
        if self._folder.is_dir():
            self.scratch.clear_staging(job_id, fence)

    def discard(self, job_id: str, fence: int) -> None:
        """Delete the staged and published files of an attempt that has lost its job."""
        self.clear_staging(job_id, fence)
        self._bucket.delete_below(KEYS.checked(f"{job_id}/{fence}"))

    def discard_before(self, job_id: str, fence: int) -> None:
        """Delete the files of attempts with a fence below `fence`: published and staged here."""
        if self._folder.is_dir():
            self.scratch.discard_before(job_id, fence)
        for name in self._bucket.folders(KEYS.checked(f"{job_id}/0").rpartition("/")[0]):
            if name.isdecimal() and int(name) < fence:
                self._bucket.delete_below(f"{job_id}/{name}")

    def discard_checkpoints(self, job_id: str) -> None:
        """Delete the checkpoints of a job that has ended."""
        KEYS.checked(f"{job_id}/0")
        self._bucket.delete_below(f"{CHECKPOINTS}/{job_id}")

    def delete_job(self, job_id: str) -> None:
        """Delete all files of a job except those on other machines, which delete their own."""
        self.discard_checkpoints(job_id)
        self._bucket.delete_below(job_id)
        if self._folder.is_dir():
            self.scratch.delete_job(job_id)

    def attempts(self) -> Iterator[AttemptFiles]:
        """All attempts that have published files, in the order of their keys."""
        published = (stored for stored in self._bucket.objects() if _is_published(stored.key))
        for folder, group in groupby(published, lambda stored: stored.key.rpartition("/")[0]):
            files = list(group)
            job_id, fence = folder.split("/")
            newest = max(file.modified_at for file in files)
            yield AttemptFiles(job_id, int(fence), tuple(file.key for file in files), newest)


def _is_published(key: str) -> bool:
    parts = key.split("/")
    return KEYS.has(key) and len(parts) == _ATTEMPT_PARTS and parts[1].isdecimal()


class _Generation(NamedTuple):
    """A checkpoint; newer ones compare greater."""

    fence: int
    term: int
    epoch: int
    name: str

    @classmethod
    def of(cls, fence: str, name: str) -> "_Generation | None":
        match = _NAME.fullmatch(name)
        if match is None or not fence.isdecimal():
            return None
        return cls(int(fence), int(match[1]), int(match[2]), name)


class _File(NamedTuple):
    """A file of a checkpoint, as in its manifest."""

    name: str
    bytes: int
    sha256: str


class BucketCheckpoints:
    """The checkpoints of one attempt: a private folder, and copies in the bucket."""

    shared = False
    """Whether other machines read the same folder, so that save() need not be called."""

    def __init__(self, bucket: Bucket, job_id: str, fence: int, folder: Path) -> None:
        self.folder = folder
        self._bucket = bucket
        self._root = f"{CHECKPOINTS}/{job_id}"
        self._fence = fence
        self._known: str | None = None

    def fetch(self) -> None:
        """Download the newest complete checkpoint of earlier attempts into the folder.

        A damaged one is logged and skipped. Raises ArtifactsUnavailable, and any OSError.
        """
        for generation in sorted(self._generations(), reverse=True):
            try:
                self._download(generation)
            except (DamagedArtifact, UnknownArtifact) as error:
                logger.warning("skipped the checkpoint %s: %s", generation.name, error)
                continue
            self._known = generation.name
            return

    def save(self) -> None:
        """Copy the newest checkpoint in the folder, unless it is copied; keep one older copy.

        Raises ArtifactsUnavailable; older copies then stay.
        """
        names = [path.stem for path in self.folder.glob("*.checkpoint")]
        generations = (_Generation.of(str(self._fence), name) for name in names)
        newest = max(filter(None, generations), default=None)
        if newest is None or newest.name == self._known:
            return
        try:
            self._upload(newest)
        except FileNotFoundError:  # replaced by a newer one, which the next call copies
            return
        self._known = newest.name
        self._remove_old()

    def saved_epoch(self) -> int:
        """The epoch of the newest copy in the bucket; 0: there is none."""
        return newest_epoch([f"{self._known}.checkpoint"])

    def _upload(self, generation: _Generation) -> None:
        # The history was durable before the checkpoint was renamed, and is only appended to.
        sources = (f"{generation.name}.checkpoint", f"{generation.name.partition('-')[0]}.history")
        files = [self._put(generation, self.folder / name) for name in sources]
        manifest = json.dumps({"files": [file._asdict() for file in files]}).encode()
        self._bucket.put(self._path(generation, _MANIFEST), BytesIO(manifest), len(manifest))

    def _put(self, generation: _Generation, source: Path) -> _File:
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256()
            left = size
            while left and (chunk := file.read(min(left, 2**20))):
                digest.update(chunk)
                left -= len(chunk)
            file.seek(0)
            self._bucket.put(self._path(generation, source.name), file, size)
        return _File(source.name, size, digest.hexdigest())

    def _download(self, generation: _Generation) -> None:
        written: list[Path] = []
        try:
            for file in self._manifest(generation):
                written.append(self.folder / file.name)
                self._get(self._path(generation, file.name), file, written[-1])
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise

    def _manifest(self, generation: _Generation) -> list[_File]:
        path = self._path(generation, _MANIFEST)
        size = min(self._bucket.size(path), _MAX_MANIFEST_BYTES)
        data = b"".join(self._bucket.read(path, 0, size))
        try:
            files = [_File(**values) for values in json.loads(data)["files"]]
            valid = all(_FILE.fullmatch(file.name) for file in files)
        except (ValueError, KeyError, TypeError):
            raise DamagedArtifact(path) from None
        if not (valid and files):
            raise DamagedArtifact(path)
        return files

    def _get(self, path: str, file: _File, target: Path) -> None:
        digest = hashlib.sha256()
        if self._bucket.size(path) != file.bytes:
            raise DamagedArtifact(path)
        with target.open("wb") as opened:
            self._bucket.copy(path, file.bytes, opened, digest)
        if digest.hexdigest() != file.sha256:
            raise DamagedArtifact(path)

    def _remove_old(self) -> None:
        """Delete the copies of this and earlier attempts, except the two newest complete ones."""
        ours = {one for one in self._generations() if one.fence <= self._fence}
        complete = {one for one in self._generations(_MANIFEST) if one.fence <= self._fence}
        for generation in ours - set(sorted(complete)[-GENERATIONS:]):
            self._bucket.delete_below(self._path(generation))

    def _generations(self, having: str | None = None) -> set[_Generation]:
        """All checkpoints of the job that have a file in the bucket, or one named `having`."""
        generations = set()
        for stored in self._bucket.objects(self._root):
            *_, fence, name, file = stored.key.split("/")
            generation = _Generation.of(fence, name)
            if generation is not None and having in (None, file):
                generations.add(generation)
        return generations

    def _path(self, generation: _Generation, *name: str) -> str:
        return "/".join((self._root, str(generation.fence), generation.name, *name))
