"""Data sets: upload, list, look at, download, delete."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ridgeline.api.datasets import StoredDataset, StoredDatasetPage
from ridgeline.client.answers import read
from ridgeline.client.downloads import Expected, OnProgress, download
from ridgeline.client.part import Part
from ridgeline.client.sources import open_source
from ridgeline.client.transport import path_to
from ridgeline.client.uploads import Sending
from ridgeline.spec.dataset.contents import DatasetFormat


class Datasets(Part):
    """The part of the client that brings data to the service."""

    def upload(
        self,
        file: str | Path | IO[bytes],
        *,
        name: str | None = None,
        format: DatasetFormat | str | None = None,  # noqa: A002 - the word a user looks for
        on_progress: OnProgress | None = None,
    ) -> StoredDataset:
        """Upload a data set, and get what the service found in it: rows, columns, classes.

        A file that the service has already is not sent again: the same bytes are the same data
        set. One above 64 MiB goes in parts; after a break, or in another call after this one was
        interrupted, the parts that arrived are not sent again. Memory does not grow with the file.

        >>> dataset = client.upload("houses.csv")
        >>> spec["dataset"] = {"source": "upload", "id": dataset.id, "target": "price"}

        Args:
            file: a path, or a file opened in binary mode, which is read from where it stands.
            name: how to call it; by default as the file is called.
            format: `csv`, `parquet`, `npz`, `npy` or `images`; by default the service looks at the
                first bytes.
            on_progress: called with the bytes that were sent and those of the whole; in this
                thread, so it should be quick.

        Raises UnusableDatasetError, whose `problem.errors` say what is wrong with the file,
        BodyTooLargeError where the service takes no file of this size, DigestMismatchError or
        ChecksumError where the file changed meanwhile, and InsufficientStorageError.
        """
        known = None if format is None else DatasetFormat(format)
        with open_source(file, name) as source:
            return Sending(self._service, source, on_progress).bring(known)

    def datasets(self, page_size: int = 50) -> Iterator[StoredDataset]:
        """Go through the data sets, newest first, fetching a page when it is needed."""
        query: dict[str, Any] = {"limit": page_size}
        while True:
            page = read(StoredDatasetPage, self._service.send("GET", "/datasets", params=query))
            yield from page.items
            if page.next is None:
                return
            query["after"] = page.next

    def dataset(self, dataset_id: str) -> StoredDataset:
        """Get what is known of a data set. Raises NotFoundError."""
        return read(StoredDataset, self._service.send("GET", path_to("datasets", dataset_id)))

    def download_dataset(
        self, dataset_id: str, to: str | Path, on_progress: OnProgress | None = None
    ) -> Path:
        """Download a data set, as `download` does an artifact; return where it lies.

        Raises NotFoundError and ChecksumError.
        """
        stored = self.dataset(dataset_id)
        path = path_to("datasets", dataset_id, "content")
        named = Path(stored.name).name
        name = dataset_id if named in ("", "..") else named
        expected = Expected(name, path, stored.bytes, stored.sha256)
        return download(self._service, expected, Path(to), on_progress)

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a data set.

        Raises NotFoundError, and ConflictError while a job that has not ended uses it.
        """
        self._service.send("DELETE", path_to("datasets", dataset_id))
