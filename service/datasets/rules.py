"""Stored data sets: receive a file, inspect it, store it, find it, delete it."""

import logging
import re
from pathlib import Path
from typing import NamedTuple

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.datasets import dataset_id
from ridgeline.failpoints import failpoint
from ridgeline.spec.dataset.contents import DATASET_ID_PATTERN, DatasetFormat
from ridgeline.storage import StorageError, UnknownDataset
from ridgeline.storage.files.datasets import (
    AddedDataset,
    DatasetRecord,
    NewDataset,
    dataset_key,
)
from service.datasets.receiving import Received, disk_full_raised
from service.errors import DigestMismatch, StoredInAnotherFormat
from service.http.downloads import Download
from service.http.representations import dump
from service.services import Services, read

_ID = re.compile(DATASET_ID_PATTERN)

logger = logging.getLogger(__name__)


class Description(NamedTuple):
    """What the client announces about a file."""

    name: str | None = None
    format: DatasetFormat | None = None
    sha256: str | None = None


async def receive(services: Services, request: Request, announced: Description) -> AddedDataset:
    """Store the body of a request as a data set, durably, or find the one with the same bytes.

    Raises ServiceError, and has then stored nothing.
    """
    max_bytes = services.settings.max_dataset_bytes
    with disk_full_raised():
        folder = await run_in_threadpool(services.datasets.files.staging)
        async with services.datasets.receiver.received(request, folder, max_bytes) as received:
            return await store(services, received, announced)


async def store(services: Services, received: Received, announced: Description) -> AddedDataset:
    """Inspect and store a received file.

    Raises DigestMismatch, StoredInAnotherFormat and UnusableFile.
    """
    check_digest(received.sha256, announced.sha256)
    existing = await read(
        services.database, services.datasets.lookups.get, dataset_id(received.sha256)
    )
    if existing is not None:
        _check_format(existing, announced.format)
        return AddedDataset(existing, existed=True)
    contents = await services.datasets.inspector.inspect(received.path, announced.format)
    failpoint("dataset.inspected")
    new = NewDataset(
        name=announced.name or dataset_id(received.sha256),
        format=contents["format"],
        bytes=received.bytes,
        sha256=received.sha256,
        xxh3=received.xxh3,
        key=dataset_key(received.sha256),
        contents=dump(contents),
    )
    return await run_in_threadpool(_store, services, received.path, new)


def check_digest(sha256: str, announced: str | None) -> None:
    """Raise DigestMismatch where the client announced another hash."""
    if announced is not None and sha256 != announced:
        raise DigestMismatch(sha256)


async def find(services: Services, dataset_id: str) -> DatasetRecord:
    """The data set; raises UnknownDataset."""
    if _ID.fullmatch(dataset_id):
        record = await read(services.database, services.datasets.lookups.get, dataset_id)
        if record is not None:
            return record
    raise UnknownDataset(dataset_id)


def delete(services: Services, dataset_id: str) -> None:
    """Delete a data set, its record and then its file. Raises UnknownDataset and DatasetInUse."""
    if not _ID.fullmatch(dataset_id):
        raise UnknownDataset(dataset_id)
    key = services.datasets.store.delete(dataset_id)
    failpoint("dataset_delete.committed")
    delete_files(services, [key])


def delete_files(services: Services, keys: list[str]) -> None:
    """Delete files that no record points to; the janitor deletes what this leaves."""
    for key in keys:
        try:
            services.ownership.confirm()
            services.datasets.files.delete([key])
        except (OSError, StorageError):
            logger.exception("%s: the record is deleted, but not the file", key)


def download(services: Services, record: DatasetRecord) -> Download:
    """A data set's file, to be sent."""
    kind = DatasetFormat(record.format)
    name = record.name
    return Download(
        name=name if name.endswith(SUFFIXES[kind]) else name + SUFFIXES[kind],
        bytes=record.bytes,
        sha256=record.sha256,
        xxh3=record.xxh3,
        media_type=MEDIA_TYPES[kind],
        key=record.key,
        if_lost="delete the data set and upload it again",
        store=services.datasets.files,
    )


def _store(services: Services, path: Path, new: NewDataset) -> AddedDataset:
    """Store the file, then the record that makes it a data set."""
    services.ownership.confirm()
    services.datasets.files.store(path, new.key)
    failpoint("dataset.stored")
    # If this raises, the record may exist all the same: leave the file to the janitor.
    added = services.datasets.store.add(new)
    failpoint("dataset.committed")
    if added.existed:  # another client sent the same bytes at the same time
        delete_files(services, [new.key])
        _check_format(added.record, DatasetFormat(new.format))
    return added


def _check_format(record: DatasetRecord, announced: DatasetFormat | None) -> None:
    if announced is not None and announced.value != record.format:
        raise StoredInAnotherFormat(record.id, record.format)


MEDIA_TYPES = {
    DatasetFormat.CSV: "text/csv",
    DatasetFormat.PARQUET: "application/vnd.apache.parquet",
    DatasetFormat.NPZ: "application/vnd.numpy.npz",
    DatasetFormat.NPY: "application/vnd.numpy.npy",
    DatasetFormat.IMAGES: "application/zip",
}
"""Media types of downloads."""
SUFFIXES = {
    DatasetFormat.CSV: ".csv",
    DatasetFormat.PARQUET: ".parquet",
    DatasetFormat.NPZ: ".npz",
    DatasetFormat.NPY: ".npy",
    DatasetFormat.IMAGES: ".zip",
}
