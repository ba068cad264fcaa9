"""Checkpoints in a bucket: copies of what an attempt keeps on the disk of its worker.

    .checkpoints/JOB/FENCE/TERM-EPOCH/TERM-EPOCH.checkpoint
    .checkpoints/JOB/FENCE/TERM-EPOCH/TERM.history
    .checkpoints/JOB/FENCE/TERM-EPOCH/manifest.json

The manifest is put last and has the others' hashes: what lies there without one does not count.
Each attempt writes below its own fence and the highest one counts, so an attempt that has lost its
job spoils nothing.
"""

import hashlib
import json
import logging
import os
import re
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from ridgeline.storage.errors import DamagedArtifact, UnknownArtifact
from ridgeline.storage.files.bucket import Bucket

ROOT = ".checkpoints"
GENERATIONS = 2
_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 2**16
_NAME = re.compile(r"(\d{6,})-(\d{9,})")
_FILE = re.compile(r"\d{6,}-\d{9,}\.checkpoint|\d{6,}\.history")

logger = logging.getLogger(__name__)


class _Generation(NamedTuple):
    """A checkpoint; a later one is greater."""

    fence: int
    term: int
    epoch: int
    name: str

    @classmethod
    def of(cls, fence: str, name: str) -> "_Generation | None":
        found = _NAME.fullmatch(name)
        if found is None or not fence.isdecimal():
            return None
        return cls(int(fence), int(found[1]), int(found[2]), name)


class _File(NamedTuple):
    """A file of a checkpoint, as its manifest has it."""

    name: str
    bytes: int
    sha256: str


class BucketCheckpoints:
    """The checkpoints of one attempt: a private folder, and its copies in the bucket."""

    shared = False
    """Whether other machines see the folder itself, so that nothing need be saved."""

    def __init__(self, bucket: Bucket, job_id: str, fence: int, folder: Path) -> None:
        self.folder = folder
        self._bucket = bucket
        self._root = f"{ROOT}/{job_id}"
        self._fence = fence
        self._known: str | None = None

    def fetch(self) -> None:
        """Bring the newest whole checkpoint of the attempts before into the folder.

        One that is damaged is logged, and the one before it is taken. Raises ArtifactsUnavailable,
        and OSError where the disk does not take it.
        """
        for generation in sorted(self._generations(), reverse=True):
            try:
                self._download(generation)
            except (DamagedArtifact, UnknownArtifact) as error:
                logger.warning("checkpoint %s is passed over: %s", generation.name, error)
                continue
            self._known = generation.name
            return

    def save(self) -> None:
        """Copy the newest checkpoint in the folder, and keep of those before it one.

        Nothing is done where it is copied already. Raises ArtifactsUnavailable; what was copied
        before then stands.
        """
        names = [path.stem for path in self.folder.glob("*.checkpoint")]
        found = [each for name in names if (each := _Generation.of(str(self._fence), name))]
        newest = max(found, default=None)
        if newest is None or newest.name == self._known:
            return
        try:
            self._upload(newest)
        except FileNotFoundError:  # the trainer has removed it for newer ones: the next turn's
            return
        self._known = newest.name
        self._remove_old()

    def _upload(self, generation: _Generation) -> None:
        # The history was made durable before the checkpoint got its name, and only grows.
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
            strange = [file for file in files if not _FILE.fullmatch(file.name)]
        except (ValueError, KeyError, TypeError):
            raise DamagedArtifact(path) from None
        if strange or not files:
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
        """Remove what this attempt and those before it have copied, but for the newest two."""
        own = {each for each in self._generations() if each.fence <= self._fence}
        whole = {each for each in self._generations(_MANIFEST) if each.fence <= self._fence}
        for generation in own - set(sorted(whole)[-GENERATIONS:]):
            self._bucket.delete_below(self._path(generation))

    def _generations(self, having: str | None = None) -> set[_Generation]:
        """Every checkpoint of the job that has any file there, or one of that name."""
        found = set()
        for each in self._bucket.objects(self._root):
            *_, fence, name, file = each.path.split("/")
            generation = _Generation.of(fence, name)
            if generation is not None and having in (None, file):
                found.add(generation)
        return found

    def _path(self, generation: _Generation, *name: str) -> str:
        return "/".join((self._root, str(generation.fence), generation.name, *name))
