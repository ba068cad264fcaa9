"""Files that come in parts: each part is stored by itself, and all are put together at the end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.api.problems import ProblemCode
from ridgeline.api.uploads import Upload, UploadRequest
from ridgeline.failpoints import failpoint
from ridgeline.spec.dataset.contents import DatasetFormat
from ridgeline.spec.faults import Fault
from ridgeline.storage import UnknownArtifact, UnknownUpload
from ridgeline.storage.files.datasets import (
    AddedDataset,
    NewUpload,
    UploadRecord,
    part_key,
    staged,
)
from service.datasets import rules as datasets
from service.datasets.hashed_file import HashedFile
from service.datasets.media import said_format
from service.datasets.receiving import Received, too_large
from service.datasets.rules import Description
from service.datasets.space import check_space, full_disk_told
from service.http.problems import ApiProblem
from service.services import Parts
from service.threads import outcome

MOST_PARTS = 10_000
_ROUND_BYTES = 2**20
_LISTED = 20
_ID = re.compile(r"up_[0-9a-f]{32}")


class Begun(NamedTuple):
    """The answer to a request to begin an upload."""

    record: UploadRecord
    already: bool
    """Whether one of the same file was open before."""


def begin(parts: Parts, asked: UploadRequest) -> Begun:
    """Begin an upload, or find the open one of the same file, where its hash is known.

    Raises ApiProblem: body-too-large, insufficient-storage.
    """
    if asked.bytes > parts.settings.max_dataset_bytes:
        raise too_large(parts.settings.max_dataset_bytes)
    new = NewUpload(
        name=asked.name,
        bytes=asked.bytes,
        part_bytes=_part_bytes(asked.bytes, parts.settings.upload_part_bytes),
        format=asked.format and asked.format.value,
        sha256=asked.sha256,
    )
    found = parts.datasets.uploads.find_open(new)
    if found is not None:
        return Begun(found, already=True)
    check_space(parts.datasets.files.staging(), asked.bytes)
    return Begun(parts.datasets.uploads.create(new), already=False)


def find(parts: Parts, upload_id: str) -> UploadRecord:
    """The upload; raises UnknownUpload."""
    record = parts.datasets.uploads.get(upload_id) if _ID.fullmatch(upload_id) else None
    if record is None:
        raise UnknownUpload(upload_id)
    return record


async def take_part(
    parts: Parts, request: Request, upload_id: str, number: int, sha256: str | None
) -> None:
    """Store the body of a request as a part, durably, in place of one that came before.

    Raises UnknownUpload, UploadEnded, and ApiProblem; what came before stands then.
    """
    said_format(request)
    upload = await run_in_threadpool(find, parts, upload_id)
    if not 1 <= number <= upload.part_count:
        detail = f"The upload has the parts 1 to {upload.part_count}."
        raise ApiProblem(ProblemCode.NOT_FOUND, detail)
    await run_in_threadpool(parts.datasets.uploads.touch, upload_id)
    size = upload.part_size(number)
    with full_disk_told():
        folder = await run_in_threadpool(parts.datasets.files.staging)
        receiver = parts.datasets.receiver
        # What nobody compares is not hashed: the whole file is, when it is complete.
        hashed = sha256 is not None
        async with receiver.received(request, folder, size, hashed=hashed) as received:
            if received.bytes != size:
                raise _wrong_size(f"part {number} has {received.bytes} bytes; expected {size}")
            if hashed:
                datasets.check_digest(received.sha256, sha256)
            await run_in_threadpool(_store_part, parts, received.path, upload_id, number)


async def complete(parts: Parts, upload_id: str) -> AddedDataset:
    """Put the parts together and store them as a data set, or say what they have become before.

    Raises UnknownUpload, and ApiProblem: conflict (parts are missing), and what a whole file meets.
    One that cannot be used goes with all its parts.
    """
    async with parts.datasets.assembling:
        try:
            return await _completed(parts, upload_id)
        except ApiProblem as problem:
            # Asked at the same time elsewhere, it may be complete by now, and its parts gone.
            if problem.code is not ProblemCode.CONFLICT:
                raise
            upload = await run_in_threadpool(find, parts, upload_id)
            if upload.dataset_id is None:
                raise
            return await _became(parts, upload.dataset_id)


def delete(parts: Parts, upload_id: str) -> None:
    """Delete an upload with its parts; what it has become stays. Raises UnknownUpload."""
    keys = parts.datasets.uploads.delete(upload_id)
    failpoint("upload.deleted")
    datasets.delete_files(parts, keys)


def upload_json(record: UploadRecord) -> str:
    """An upload as GET answers it."""
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
    """How large the parts of a file are: larger than usual where there would be too many."""
    least = -(-size // MOST_PARTS)
    return usual if least <= usual else -(-least // _ROUND_BYTES) * _ROUND_BYTES


def _store_part(parts: Parts, path: Path, upload_id: str, number: int) -> None:
    key = part_key(upload_id, number)
    parts.ownership.confirm()
    parts.datasets.files.store(path, key)
    failpoint("part.stored")
    replaced = parts.datasets.uploads.add_part(upload_id, number, key)
    failpoint("part.committed")
    if replaced is not None:
        datasets.delete_files(parts, [replaced])


async def _completed(parts: Parts, upload_id: str) -> AddedDataset:
    upload = await run_in_threadpool(find, parts, upload_id)
    if upload.dataset_id is not None:
        return await _became(parts, upload.dataset_id)
    missing = [number for number in range(1, upload.part_count + 1) if number not in upload.parts]
    if missing:
        raise _missing(missing)
    said = Description(
        upload.name, DatasetFormat(upload.format) if upload.format else None, upload.sha256
    )
    try:
        with full_disk_told():
            async with _assembled(parts, upload) as whole:
                added = await datasets.keep(parts, whole, said)
    except ApiProblem as problem:
        if problem.code is ProblemCode.UNUSABLE_DATASET:
            with suppress(UnknownUpload):  # whoever asked at the same time was first
                await run_in_threadpool(delete, parts, upload_id)
        raise
    keys = await run_in_threadpool(parts.datasets.uploads.complete, upload_id, added.record.id)
    failpoint("upload.completed")
    await run_in_threadpool(datasets.delete_files, parts, keys)
    return added


async def _became(parts: Parts, dataset_id: str) -> AddedDataset:
    return AddedDataset(await datasets.find(parts, dataset_id), existed=True)


@asynccontextmanager
async def _assembled(parts: Parts, upload: UploadRecord) -> AsyncIterator[Received]:
    """The whole file on this machine; gone after the block, unless it was moved."""
    folder = parts.datasets.files.staging()
    check_space(folder, upload.bytes)
    with staged(folder) as path:
        file = HashedFile(path)
        try:
            for number in sorted(upload.parts):
                await _append(parts, file, upload, number)
            await file.finish()
        finally:
            await file.close()
        failpoint("upload.assembled")
        if file.size != upload.bytes:
            raise _wrong_size(f"the parts have {file.size} bytes; expected {upload.bytes}")
        yield Received(path, file.size, file.sha256, file.xxh3)


async def _append(parts: Parts, file: HashedFile, upload: UploadRecord, number: int) -> None:
    """Append a part; raises ApiProblem (conflict) where it was sent again meanwhile."""
    in_thread = partial(asyncio.get_running_loop().run_in_executor, parts.readers)
    chunks = parts.datasets.files.read(upload.parts[number], 0, upload.part_size(number))
    try:
        while chunk := await outcome(in_thread(next, chunks, b"")):
            await file.take(chunk)
    except UnknownArtifact:
        raise _missing([number]) from None
    finally:
        await outcome(in_thread(chunks.close))


def _missing(numbers: list[int]) -> ApiProblem:
    listed = ", ".join(map(str, numbers[:_LISTED])) + (", …" if len(numbers) > _LISTED else "")
    detail = f"Parts are missing: {listed}. Send them, and then complete the upload."
    return ApiProblem(ProblemCode.CONFLICT, detail)


def _wrong_size(detail: str) -> ApiProblem:
    fault = Fault(pointer="", detail=detail, rule="part-size")
    return ApiProblem(ProblemCode.INVALID_REQUEST, f"Wrong size: {detail}.", errors=[fault])
