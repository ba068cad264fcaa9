"""Data sets: take a file in, look through it, store it, give it back, delete it."""

import logging
import re
from pathlib import Path
from typing import NamedTuple

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.problems import ProblemCode
from ridgeline.failpoints import failpoint
from ridgeline.spec.dataset.contents import DATASET_ID_PATTERN, DatasetFormat
from ridgeline.storage import StorageError, UnknownDataset
from ridgeline.storage.files.datasets import (
    AddedDataset,
    DatasetRecord,
    NewDataset,
    dataset_key,
)
from ridgeline.storage.identifiers import dataset_id
from service.datasets.media import MEDIA_TYPES, SUFFIXES, said_format
from service.datasets.receiving import Received
from service.datasets.space import full_disk_told
from service.http.downloads import StoredFile
from service.http.problems import ApiProblem
from service.http.representations import dump
from service.services import Parts, read

_ID = re.compile(DATASET_ID_PATTERN)

logger = logging.getLogger(__name__)


class Description(NamedTuple):
    """What the client says of a file."""

    name: str | None = None
    format: DatasetFormat | None = None
    sha256: str | None = None


async def take(parts: Parts, request: Request, said: Description) -> AddedDataset:
    """Store the body of a request as a data set, durably, or find the one with the same bytes.

    Raises ApiProblem; nothing is stored then.
    """
    if said.format is None:
        said = said._replace(format=said_format(request))
    else:
        said_format(request)
    most = parts.settings.max_dataset_bytes
    with full_disk_told():
        folder = await run_in_threadpool(parts.datasets.files.staging)
        async with parts.datasets.receiver.received(request, folder, most) as received:
            return await keep(parts, received, said)


async def keep(parts: Parts, received: Received, said: Description) -> AddedDataset:
    """Look through a file on this machine, and store it. Raises ApiProblem."""
    check_digest(received.sha256, said.sha256)
    existing = await read(parts.database, parts.datasets.lookups.get, dataset_id(received.sha256))
    if existing is not None:
        _check_format(existing, said.format)
        return AddedDataset(existing, existed=True)
    contents = await parts.datasets.inspector.inspect(received.path, said.format)
    failpoint("dataset.inspected")
    new = NewDataset(
        name=said.name or dataset_id(received.sha256),
        format=contents["format"],
        bytes=received.bytes,
        sha256=received.sha256,
        xxh3=received.xxh3,
        key=dataset_key(received.sha256),
        contents=dump(contents),
    )
    return await run_in_threadpool(_store, parts, received.path, new)


def check_digest(found: str, said: str | None) -> None:
    """Raise ApiProblem (digest-mismatch) where the client has said another hash."""
    if said is not None and found != said:
        detail = f"What came has the SHA-256 {found}, in hex; send the bytes again."
        raise ApiProblem(ProblemCode.DIGEST_MISMATCH, detail)


async def find(parts: Parts, dataset_id: str) -> DatasetRecord:
    """The data set; raises UnknownDataset."""
    if _ID.fullmatch(dataset_id):
        record = await read(parts.database, parts.datasets.lookups.get, dataset_id)
        if record is not None:
            return record
    raise UnknownDataset(dataset_id)


def delete(parts: Parts, dataset_id: str) -> None:
    """Delete a data set, its record and then its file. Raises UnknownDataset and DatasetInUse."""
    if not _ID.fullmatch(dataset_id):
        raise UnknownDataset(dataset_id)
    key = parts.datasets.store.delete(dataset_id)
    failpoint("dataset_delete.committed")
    delete_files(parts, [key])


def delete_files(parts: Parts, keys: list[str]) -> None:
    """Delete files that no record points to any more; what is left, the janitor finds."""
    for key in keys:
        try:
            parts.ownership.confirm()
            parts.datasets.files.delete([key])
        except (OSError, StorageError):
            logger.exception("%s is deleted, but its file is left", key)


def stored_file(parts: Parts, record: DatasetRecord) -> StoredFile:
    """The bytes of a data set, for a download."""
    kind = DatasetFormat(record.format)
    name = record.name
    return StoredFile(
        name=name if name.endswith(SUFFIXES[kind]) else name + SUFFIXES[kind],
        bytes=record.bytes,
        sha256=record.sha256,
        xxh3=record.xxh3,
        media_type=MEDIA_TYPES[kind],
        key=record.key,
        lost="delete the data set and upload it again",
        store=parts.datasets.files,
    )


def _store(parts: Parts, path: Path, new: NewDataset) -> AddedDataset:
    """Store the file under its own key, then the record that makes it one of ours."""
    parts.ownership.confirm()
    parts.datasets.files.store(path, new.key)
    failpoint("dataset.stored")
    # Where the database is away, the record may be there all the same: the file is the janitor's.
    added = parts.datasets.store.add(new)
    failpoint("dataset.committed")
    if added.existed:  # another client sent the same bytes at the same time
        delete_files(parts, [new.key])
        _check_format(added.record, DatasetFormat(new.format))
    return added


def _check_format(record: DatasetRecord, said: DatasetFormat | None) -> None:
    if said is not None and said.value != record.format:
        detail = (
            f"The same bytes are stored as {record.id} in the format {record.format}; leave the"
            " format out, or delete that data set first."
        )
        raise ApiProblem(ProblemCode.CONFLICT, detail)
