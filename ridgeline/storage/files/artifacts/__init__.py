"""The files of jobs, in a folder or in a bucket of an object store."""

from pathlib import Path

from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from ridgeline.storage.files.artifacts.local import LocalArtifacts
from ridgeline.storage.files.artifacts.protocol import (
    ArtifactStore,
    AttemptCheckpoints,
    AttemptFiles,
    StoredFile,
    artifact_key,
)
from ridgeline.storage.files.protocol import store_folder

__all__ = [
    "ArtifactStore",
    "AttemptCheckpoints",
    "AttemptFiles",
    "LocalArtifacts",
    "ObjectArtifacts",
    "StoredFile",
    "artifact_key",
    "open_artifacts",
]


def open_artifacts(url: str | None, folder: Path) -> ArtifactStore:
    """The store at `url` (see store_folder()), by default in `folder`.

    With a bucket, `folder` holds what is not published yet. Raises UnusableArtifactStore for any
    other URL. Sends no request.
    """
    local = store_folder(url, folder)
    return ObjectArtifacts(str(url), folder) if local is None else LocalArtifacts(local)
