"""Keras's cache of data sets: returns a file from it, downloading it atomically if missing."""

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from ridgeline.api.job import EndCode
from worker.engine.context import TrainingFailed
from worker.inputs.keras_files import KERAS_FILES, KerasFile, keras_folder

CONNECT_S = 3.0
READ_S = 10.0
"""Deadline for the next bytes, in seconds."""
TOTAL_S = 1800.0
MAX_BYTES = 2**30
"""More than the largest file (170 MB), less than a disk."""
_CHUNK = 2**20
_MODE = 0o644
"""The mode of Keras's own files; a temporary file is readable by its owner only."""


@dataclass(frozen=True)
class KerasCache:
    """A folder, and the files that belong into it."""

    folder: Path = field(default_factory=keras_folder)
    files: Mapping[str, KerasFile] = field(default_factory=lambda: KERAS_FILES)

    def path(self, name: str) -> Path:
        """The path of the verified file, downloaded if missing.

        Raises TrainingFailed if it cannot be downloaded, or is not the file that Keras expects.
        """
        file = self.files[name]
        path = self.folder / file.path
        if path.is_file():
            _check(path, file)
        else:
            self._fetch(path, file)
        return path

    def _fetch(self, path: Path, file: KerasFile) -> None:
        try:
            digest = download(file.url, path, file.sha256)
        except (Unreachable, OSError) as error:
            raise TrainingFailed(
                EndCode.DATA_UNAVAILABLE,
                f"{path.name} is not on the worker and could not be downloaded ({error}); download"
                f" {file.url} elsewhere and put it at {path}, then post the job again",
            ) from error
        if digest != file.sha256 and file.sha256 is not None:
            raise TrainingFailed(
                EndCode.DATA_UNAVAILABLE,
                f"the file from {file.url} is not the one that Keras expects: its SHA-256 is"
                f" {digest}, expected {file.sha256}; it was discarded. Put the right file at"
                f" {path}",
            )


def _check(path: Path, file: KerasFile) -> None:
    if file.sha256 is None:
        return
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != file.sha256:
        raise TrainingFailed(
            EndCode.DATA_UNAVAILABLE,
            f"{path} is not the file that Keras expects: its SHA-256 is {digest}, expected"
            f" {file.sha256}; delete it, or put the file of {file.url} there",
        )


class Unreachable(Exception):
    """The address does not respond, not with the file, or not in time."""


def download(url: str, path: Path, sha256: str | None) -> str:
    """Download `url` into `path` and return its SHA-256.

    A file with another digest than `sha256` is deleted (None accepts any). Raises Unreachable, and
    OSError if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the rename is atomic; with a unique name, so that two trainers
    # that download the same file do not collide.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _stream(url, file)
            file.flush()
            os.fsync(file.fileno())
        if sha256 in (None, digest):
            partial.chmod(_MODE)
            partial.replace(path)
        return digest
    except httpx.HTTPError as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    finally:
        partial.unlink(missing_ok=True)


def _stream(url: str, file: IO[bytes]) -> str:
    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    deadline = time.monotonic() + TOTAL_S
    digest, received = hashlib.sha256(), 0
    request: dict[str, Any] = {"timeout": timeout, "follow_redirects": True}
    request["headers"] = {"Accept-Encoding": "identity"}  # the digest is that of the file itself
    with httpx.stream("GET", url, **request) as response:
        response.raise_for_status()
        for chunk in response.iter_raw(_CHUNK):
            received += len(chunk)
            if received > MAX_BYTES:
                raise Unreachable(f"received more than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise Unreachable(f"it took more than {TOTAL_S:g} s")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
