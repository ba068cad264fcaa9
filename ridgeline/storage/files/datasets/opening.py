"""Where the files of data sets lie: beside the artifacts, in their folder or their bucket."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ridgeline.storage.files.datasets.local import LocalDatasetFiles
from ridgeline.storage.files.datasets.protocol import DatasetFiles
from ridgeline.storage.settings import StorageSettings

_FOLDER = ".datasets"


def open_datasets(settings: StorageSettings) -> DatasetFiles:
    """The files of uploaded data sets, where open_artifacts() finds those of jobs.

    Raises UnusableArtifactStore; whether a bucket answers is not asked.
    """
    url = settings.artifacts_url
    if url is None:
        return LocalDatasetFiles(settings.artifacts_dir.resolve() / _FOLDER)
    if urlsplit(url).scheme == "file":
        return LocalDatasetFiles(Path(unquote(urlsplit(url).path)) / _FOLDER)
    # Not above: an API that keeps its files in a folder stays smaller without that library.
    from ridgeline.storage.files.bucket import Bucket  # noqa: PLC0415
    from ridgeline.storage.files.datasets.bucket import BucketDatasetFiles  # noqa: PLC0415

    return BucketDatasetFiles(Bucket(url), settings.artifacts_dir.resolve() / _FOLDER)
