"""Where the files of jobs lie: in a folder, or in a bucket of an object store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ridgeline.storage.errors import UnusableArtifactStore
from ridgeline.storage.files.artifacts.local import LocalArtifacts
from ridgeline.storage.files.artifacts.protocol import (
    ArtifactStore,
    AttemptCheckpoints,
    AttemptFiles,
    StoredFile,
    artifact_key,
)

__all__ = [
    "ArtifactStore",
    "AttemptCheckpoints",
    "AttemptFiles",
    "LocalArtifacts",
    "StoredFile",
    "artifact_key",
    "open_artifacts",
]

_BUCKETS = ("s3", "gs", "az")


def open_artifacts(url: str | None, folder: Path) -> ArtifactStore:
    """The store at `url`: `s3://bucket/prefix`, `gs://`, `az://`, or `file:///folder`.

    Without a URL it is `folder`; beside a bucket that holds what is not published yet. Raises
    UnusableArtifactStore; whether the bucket answers is not asked.
    """
    if url is None:
        return LocalArtifacts(folder)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return LocalArtifacts(Path(unquote(parts.path)))
    if parts.scheme not in _BUCKETS or not parts.netloc:
        raise UnusableArtifactStore(
            f"Received a URL with the scheme {parts.scheme!r}; expected s3://bucket/prefix,"
            " gs://bucket/prefix, az://container/prefix or file:///folder."
        )
    # Not above: an API that keeps its files in a folder stays smaller without that library.
    from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts  # noqa: PLC0415

    return ObjectArtifacts(url, folder)
