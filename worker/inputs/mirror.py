"""A copy of Keras's folder of data sets in a bucket, for workers that reach no other network."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ridgeline.storage import ArtifactsUnavailable, UnknownArtifact
from ridgeline.storage.files.bucket import Bucket
from worker.inputs.keras_files import DATASET_FILES, KERAS_FILES, KerasFile, keras_folder

MAX_BYTES = 2**30
"""More than the largest file (170 MB), less than a disk."""
_MODE = 0o644

log = structlog.get_logger()


@dataclass(frozen=True)
class Mirror:
    """The bucket, and the folder that Keras's files belong in."""

    bucket: Bucket
    folder: Path = field(default_factory=keras_folder)

    def fetch(self, spec: str) -> None:
        """Fetch what a resolved spec's data set needs and the folder has not.

        What cannot be had here is logged and no more: the trainer tries to download it, and says
        what is missing.
        """
        dataset = json.loads(spec).get("dataset", {})
        if dataset.get("source") != "keras":
            return
        for name in DATASET_FILES.get(dataset.get("name"), ()):
            try:
                self._fetch(KERAS_FILES[name])
            except (ArtifactsUnavailable, UnknownArtifact, OSError) as error:
                log.warning("not_in_mirror", file=name, because=str(error))

    def _fetch(self, file: KerasFile) -> None:
        path = self.folder / file.path
        if path.is_file():
            return
        size = self.bucket.size(file.path)
        if size > MAX_BYTES:
            raise OSError(f"it has {size} bytes; expected at most {MAX_BYTES}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file, so that the rename is one within a file system, and with a name of its
        # own: another attempt may fetch the same.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as opened:
                digest = hashlib.sha256()
                received = self.bucket.copy(file.path, size, opened, digest)
                opened.flush()
                os.fsync(opened.fileno())
            if received != size or file.sha256 not in (None, digest.hexdigest()):
                raise OSError(f"its SHA-256 is {digest.hexdigest()}; expected {file.sha256}")
            partial.chmod(_MODE)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        log.info("data_set_fetched", file=file.path, bytes=size)
