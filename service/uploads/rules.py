"""Uploads: each part of a file is stored by itself, and all are joined at the end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.datasets import Upload, UploadRequest
from ridgeline.failpoints import failpoint
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.storage import UnknownArtifact, UnknownUpload
from ridgeline.storage.files.datasets import (
    AddedDataset,
    NewUpload,
    UploadRecord,
    part_key,
    staged,
)
from service.datasets import rules as datasets
from service.datasets.receiving import (
    HashedFile,
    Received,
    check_space,
    disk_full_raised,
)
from service.datasets.rules import Description
from service.errors import (
    Conflict,
    FileTooLarge,
    MissingParts,
    UnknownPart,
    UnusableFile,
    WrongSize,
)
from service.services import Services
from service.threads import outcome

MOST_PARTS = 10_000
_ROUND_BYTES = 2**20
_ID = re.compile(r"up_[0-9a-f]{32}")


class Begun(NamedTuple):
    """The result of a request to begin an upload."""

    record: UploadRecord
    already: bool
    """Whether an upload of the same file was open before."""


def begin(services: Services, requested: UploadRequest) -> Begun:
    """Begin an upload, or find an open one of the same file, where its hash is known.

    Raises FileTooLarge and DiskFull.
    """
    if requested.bytes > services.settings.max_dataset_bytes:
        raise FileTooLarge(services.settings.max_dataset_bytes)
    new = NewUpload(
        name=requested.name,
        bytes=requested.bytes,
        part_bytes=_part_bytes(requested.bytes, services.settings.upload_part_bytes),
        format=requested.format and requested.format.value,
        sha256=requested.sha256,
    )
    open_upload = services.datasets.uploads.find_open(new)
    if open_upload is not None:
        return Begun(open_upload, already=True)
    check_space(services.datasets.files.staging(), requested.bytes)
    return Begun(services.datasets.uploads.create(new), already=False)


def find(services: Services, upload_id: str) -> UploadRecord:
    """The upload; raises UnknownUpload."""
    record = services.datasets.uploads.get(upload_id) if _ID.fullmatch(upload_id) else None
    if record is None:
        raise UnknownUpload(upload_id)
    return record


async def store_part(
    services: Services, request: Request, upload_id: str, number: int, sha256: str | None
) -> None:
    """Store the body of a request as a part, durably; it replaces an earlier one.

    Raises UnknownUpload, UploadEnded and ServiceError; an earlier part is then kept.
    """
    upload = await run_in_threadpool(find, services, upload_id)
    if not 1 <= number <= upload.part_count:
        raise UnknownPart(upload.part_count)
    await run_in_threadpool(services.datasets.uploads.touch, upload_id)
    size = upload.part_size(number)
    with disk_full_raised():
        folder = await run_in_threadpool(services.datasets.files.staging)
        receiver = services.datasets.receiver
        # Without a digest to compare, only the complete file is hashed.
        hashed = sha256 is not None
        async with receiver.received(request, folder, size, hashed=hashed) as received:
            if received.bytes != size:
                raise WrongSize(f"part {number} has {received.bytes} bytes; expected {size}")
            if hashed:
                datasets.check_digest(received.sha256, sha256)
            await run_in_threadpool(_replace_part, services, received.path, upload_id, number)


async def complete(services: Services, upload_id: str) -> AddedDataset:
    """Join the parts and store them as a data set, or find the data set they became before.

    Raises UnknownUpload, MissingParts, and whatever storing a whole file raises. The upload of an
    unusable file is deleted.
    """
    async with services.datasets.assembling:
        try:
            return await _completed(services, upload_id)
        except Conflict:
            # A request at the same time may have completed it, and deleted its parts.
            upload = await run_in_threadpool(find, services, upload_id)
            if upload.dataset_id is None:
                raise
            return await _became(services, upload.dataset_id)


def delete(services: Services, upload_id: str) -> None:
    """Delete an upload with its parts; its data set stays. Raises UnknownUpload."""
    keys = services.datasets.uploads.delete(upload_id)
    failpoint("upload.deleted")
    datasets.delete_files(services, keys)


def upload_json(record: UploadRecord) -> str:
    """An upload as GET returns it."""
    received = range(1, record.part_count + 1) if record.dataset_id else sorted(record.parts)
    return Upload(
        id=record.id,
        name=record.name,
        bytes=record.bytes,
        part_bytes=record.part_bytes,
        parts=record.part_count,
        received=tuple(received),
        format=DatasetFormat(record.format) if record.format else None,
        sha256=record.sha256,
        created_at=record.created_at,
        expires_at=record.expires_at,
    ).model_dump_json()


def _part_bytes(size: int, usual: int) -> int:
    """The size of a file's parts: larger than usual where there would be too many."""
    least = -(-size // MOST_PARTS)
    return usual if least <= usual else -(-least // _ROUND_BYTES) * _ROUND_BYTES


def _replace_part(services: Services, path: Path, upload_id: str, number: int) -> None:
    key = part_key(upload_id, number)
    services.ownership.confirm()
    services.datasets.files.store(path, key)
    failpoint("part.stored")
    replaced = services.datasets.uploads.add_part(upload_id, number, key)
    failpoint("part.committed")
    if replaced is not None:
        datasets.delete_files(services, [replaced])


async def _completed(services: Services, upload_id: str) -> AddedDataset:
    upload = await run_in_threadpool(find, services, upload_id)
    if upload.dataset_id is not None:
        return await _became(services, upload.dataset_id)
    missing = [number for number in range(1, upload.part_count + 1) if number not in upload.parts]
    if missing:
        raise MissingParts(missing)
    announced = Description(
        upload.name, DatasetFormat(upload.format) if upload.format else None, upload.sha256
    )
    try:
        with disk_full_raised():
            async with _assembled(services, upload) as whole:
                added = await datasets.store(services, whole, announced)
    except UnusableFile:
        with suppress(UnknownUpload):  # a request at the same time was faster
            await run_in_threadpool(delete, services, upload_id)
        raise
    keys = await run_in_threadpool(services.datasets.uploads.complete, upload_id, added.record.id)
    failpoint("upload.completed")
    await run_in_threadpool(datasets.delete_files, services, keys)
    return added


async def _became(services: Services, dataset_id: str) -> AddedDataset:
    return AddedDataset(await datasets.find(services, dataset_id), existed=True)


@asynccontextmanager
async def _assembled(services: Services, upload: UploadRecord) -> AsyncIterator[Received]:
    """The whole file on this machine; deleted after the block, unless it was moved."""
    folder = services.datasets.files.staging()
    check_space(folder, upload.bytes)
    with staged(folder) as path:
        file = HashedFile(path)
        try:
            for number in sorted(upload.parts):
                await _append(services, file, upload, number)
            await file.finish()
        finally:
            await file.close()
        failpoint("upload.assembled")
        if file.size != upload.bytes:
            raise WrongSize(f"the parts have {file.size} bytes; expected {upload.bytes}")
        yield Received(path, file.size, file.sha256, file.xxh3)


async def _append(services: Services, file: HashedFile, upload: UploadRecord, number: int) -> None:
    """Append a part; raises MissingParts where it was replaced meanwhile."""
    in_thread = partial(asyncio.get_running_loop().run_in_executor, services.readers)
    chunks = services.datasets.files.read(upload.parts[number], 0, upload.part_size(number))
    try:
        while chunk := await outcome(in_thread(next, chunks, b"")):
            await file.write(chunk)
    except UnknownArtifact:
        raise MissingParts([number]) from None
    finally:
        await outcome(in_thread(chunks.close))
