"""A job's published files: list, download, load."""

from pathlib import Path

from ridgeline.api.job import Artifact
from ridgeline.client.downloads import Expected, OnProgress, download
from ridgeline.client.errors import NoSuchArtifactError
from ridgeline.client.jobs import Jobs
from ridgeline.client.transport import job_path


class Artifacts(Jobs):
    """The part of the client that brings a job's published files."""

    def artifacts(self, job_id: str) -> tuple[Artifact, ...]:
        """List a job's published files. Raises NotFoundError."""
        return self.job(job_id).artifacts

    def download(
        self, job_id: str, name: str, to: str | Path, on_progress: OnProgress | None = None
    ) -> Path:
        """Download an artifact to the file `to`, or into the folder `to`; return where it lies.

        The bytes go to a `.part` file beside it. A broken connection, or an earlier call that was
        interrupted, is continued where it stopped. The file gets its name only once its SHA-256
        is the artifact's, so a file with that name is whole.

        >>> client.download(job.id, "model.keras", ".", lambda done, total: print(done / total))

        Args:
            job_id: the job.
            name: of the artifact, such as `model.keras`.
            to: a path, or a folder that exists.
            on_progress: called with the bytes that are there and those of the whole, with each
                chunk that comes; in this thread, so it should be quick.

        Raises NoSuchArtifactError, which lists the names there are, NotFoundError where there is no
        such job, and ChecksumError.
        """
        artifact = self._artifact(job_id, name)
        path = job_path(job_id, "artifacts", name)
        expected = Expected(name, path, artifact.bytes, artifact.sha256)
        return download(self._service, expected, Path(to), on_progress)

    def _artifact(self, job_id: str, name: str) -> Artifact:
        published = {artifact.name: artifact for artifact in self.artifacts(job_id)}
        if name not in published:
            listed = ", ".join(published) or "none yet: the job has not succeeded"
            raise NoSuchArtifactError(f"{job_id} has no artifact {name!r}; published: {listed}")
        return published[name]
