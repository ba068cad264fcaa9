"""The errors of the storage. The first line of each docstring is the start of its message.

StorageError
├── UnusableDatabaseUrl
├── DatabaseUnavailable
├── NewerDatabase
├── MigrationFailed
├── UnknownJob
├── IllegalTransition
├── IdempotencyConflict
├── NonFiniteValue
├── InvalidArtifactKey
├── InvalidStagedFile
├── ArtifactExists
├── UnknownArtifact
├── DamagedArtifact
├── ArtifactsUnavailable
├── UnusableArtifactStore
│   └── ForeignStore
├── UnknownDataset
├── DatasetInUse
├── UnknownUpload
└── UploadEnded
"""

from collections.abc import Sequence

from ridgeline.api.lifecycle import JobStatus


class StorageError(Exception):
    """The storage operation failed."""

    def __init__(self, detail: str = "") -> None:
        sentence = (type(self).__doc__ or "").partition("\n")[0]
        super().__init__(f"{sentence} {detail}".strip())


class UnusableDatabaseUrl(StorageError):
    """The database URL cannot be used."""


class DatabaseUnavailable(StorageError):
    """The database did not respond; the operation may or may not have happened."""


class NewerDatabase(StorageError):
    """The database belongs to a newer release."""

    def __init__(self, revision: str, known: str) -> None:
        super().__init__(
            f"Its tables have revision {revision}, but this release knows revisions up to {known};"
            " start the newer release, or restore the backup that was made before it."
        )


class MigrationFailed(StorageError):
    """The tables could not be migrated to this version; they are as they were."""


class UnknownJob(StorageError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Received {job_id!r}; it may have been deleted: list the jobs to check.")
        self.job_id = job_id


class IllegalTransition(StorageError):
    """The job's status does not allow this."""

    def __init__(self, job_id: str, status: JobStatus, wanted: str) -> None:
        super().__init__(f"{job_id} is {status.value} and cannot be {wanted}.")
        self.job_id = job_id
        self.status = status
        self.wanted = wanted


class IdempotencyConflict(StorageError):
    """The idempotency key was used before with another body."""

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(
            f"It created {job_id}; expected the same body: use a new key for a new job."
        )
        self.key = key
        self.job_id = job_id


class NonFiniteValue(StorageError):
    """A value to be stored is NaN or infinite."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"Received one in {', '.join(names)}; expected finite numbers or None.")
        self.names = names


class InvalidArtifactKey(StorageError):
    """The artifact key is invalid."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Received {key[:200]!r}; expected names joined by '/', such as job/1/file."
        )


class InvalidStagedFile(StorageError):
    """The file to publish is not a regular file in the staging folder of the store."""

    def __init__(self, file: object) -> None:
        super().__init__(f"Received {str(file)!r}; write it to a path below staging() first.")


class ArtifactExists(StorageError):
    """An artifact with this key is published already; published files never change."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Received {key!r}; publish it under another name or a newer fence.")


class UnknownArtifact(StorageError):
    """No artifact has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Received {key!r}; it may have been deleted with its job.")


class DamagedArtifact(StorageError):
    """The artifact store returned other bytes than it received."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} has changed; check the store and publish it again.")


class ArtifactsUnavailable(StorageError):
    """The artifact store did not respond; the operation may or may not have happened."""


class UnusableArtifactStore(StorageError):
    """The artifact store cannot be used."""


class ForeignStore(UnusableArtifactStore):
    """The artifact store may belong to another database."""


class UnknownDataset(StorageError):
    """No data set has this id."""

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"Received {dataset_id!r}; it may have been deleted: list them to check.")
        self.dataset_id = dataset_id


class DatasetInUse(StorageError):
    """Jobs that have not ended train on the data set."""

    def __init__(self, dataset_id: str, job_ids: Sequence[str]) -> None:
        super().__init__(f"{dataset_id} is used by {', '.join(job_ids)}.")
        self.dataset_id = dataset_id
        self.job_ids = tuple(job_ids)


class UnknownUpload(StorageError):
    """No upload has this id."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"Received {upload_id!r}; it may have expired: start a new one.")
        self.upload_id = upload_id


class UploadEnded(StorageError):
    """The upload is complete and accepts no more parts."""

    def __init__(self, upload_id: str, dataset_id: str) -> None:
        super().__init__(f"{upload_id} is now {dataset_id}.")
        self.upload_id = upload_id
        self.dataset_id = dataset_id
