"""The published files of a job."""

from ridgeline.storage import ArtifactStore, JobRecord
from service.http.downloads import StoredFile
from service.http.problems import not_found


def find(store: ArtifactStore, record: JobRecord, name: str) -> StoredFile:
    """The published file; raises ApiProblem: not-found."""
    for artifact in record.artifacts:
        if artifact.name == name:
            return StoredFile(
                name=artifact.name,
                bytes=artifact.bytes,
                sha256=artifact.sha256,
                xxh3=artifact.xxh3,
                media_type=artifact.media_type,
                key=artifact.key,
                lost="train the job again to have it back",
                store=store,
            )
    listed = ", ".join(artifact.name for artifact in record.artifacts)
    ended = "it ended without any" if record.status.terminal else f"it is {record.status.value}"
    raise not_found(f"The job has no such file; it has {listed or f'none: {ended}'}.")
