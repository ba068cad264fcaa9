"""Uploads a file: a small one in one request, a large one in parts."""

import base64
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import httpx

from ridgeline.api.datasets import StoredDataset, Upload, dataset_id
from ridgeline.client._downloads import OnProgress
from ridgeline.client._http import Transport, path_to, read
from ridgeline.client.errors import (
    ChecksumError,
    ConflictError,
    DigestMismatchError,
    NotFoundError,
)
from ridgeline.spec.dataset.contents import DatasetFormat

#: A larger file is sent in parts, so that a broken connection costs one part and not all.
IN_PARTS_BYTES = 64 * 2**20
#: How long the service may take to inspect a file that it has received, in seconds.
INSPECTION_S = 600.0
#: How many bytes are read, and passed to the connection, at once.
CHUNK_BYTES = 2**20
#: How many times an upload is checked for missing parts after all were sent.
_ROUNDS = 3
_MAX_NAME_LENGTH = 100


def upload(
    transport: Transport,
    file: str | Path | IO[bytes],
    name: str | None,
    format_: DatasetFormat | str | None,
    on_progress: OnProgress | None,
) -> StoredDataset:
    """Upload a file, unless the service already has its bytes.

    Raises ValueError for an unknown format, OSError, RidgelineError.
    """
    known = None if format_ is None else DatasetFormat(format_)
    with _open_source(file, name) as source:
        return _FileUpload(transport, source, on_progress).run(known)


class _FileUpload:
    """One file on its way to the service."""

    def __init__(
        self, transport: Transport, source: "_Source", on_progress: OnProgress | None
    ) -> None:
        self._transport = transport
        self._source = source
        self._on_progress = on_progress
        self._sha256 = source.sha256.hex()

    def run(self, format_: DatasetFormat | None) -> StoredDataset:
        """Send the file, unless the service already has its bytes."""
        stored = self._stored()
        if stored is None and self._source.bytes <= IN_PARTS_BYTES:
            stored = self._send_at_once(format_)
        elif stored is None:
            stored = self._send_in_parts(format_)
        if stored.sha256 != self._sha256:
            raise ChecksumError(
                f"{self._source.name}: sent bytes with the SHA-256 {self._sha256}, the service has"
                f" stored {stored.sha256}; did the file change during the upload? Upload it again"
            )
        self._report(self._source.bytes)
        return stored

    def _stored(self) -> StoredDataset | None:
        """The stored data set with these bytes: its id starts with their SHA-256."""
        try:
            response = self._transport.send("GET", path_to("datasets", dataset_id(self._sha256)))
        except NotFoundError:
            return None
        return read(StoredDataset, response)

    def _send_at_once(self, format_: DatasetFormat | None) -> StoredDataset:
        query = {"name": self._source.name} | ({"format": format_.value} if format_ else {})
        digest = base64.b64encode(self._source.sha256).decode()
        response = self._send_bytes(
            "POST",
            "/datasets",
            0,
            self._source.bytes,
            params=query,
            headers={"Content-Digest": f"sha-256=:{digest}:"},
        )
        return read(StoredDataset, response)

    def _send_in_parts(self, format_: DatasetFormat | None) -> StoredDataset:
        upload = self._begin(format_)
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                self._send_parts(upload)
                return self._complete(upload)
            except DigestMismatchError:
                # A part was sent with other bytes, so the next call must not continue this upload.
                self._transport.send("DELETE", _upload_path(upload))
                raise
            except (NotFoundError, ConflictError):
                # Another client may have uploaded the same file, and completed it first.
                stored = self._stored()
                if stored is not None:
                    return stored
                if not rounds_left:
                    raise
                response = self._transport.send("GET", _upload_path(upload), patient=True)
                upload = read(Upload, response)
        raise AssertionError("the last round returns or raises")

    def _begin(self, format_: DatasetFormat | None) -> Upload:
        """Begin an upload, or continue one that an earlier call began."""
        wanted = {"name": self._source.name, "bytes": self._source.bytes, "sha256": self._sha256}
        if format_ is not None:
            wanted["format"] = format_.value
        headers = {"Content-Type": "application/json"}
        body = json.dumps(wanted).encode()
        # The service identifies an upload by its SHA-256, so beginning it twice is safe.
        response = self._transport.send(
            "POST", "/uploads", body=body, headers=headers, repeatable=True, patient=True
        )
        return read(Upload, response)

    def _send_parts(self, upload: Upload) -> None:
        for number in range(1, upload.parts + 1):
            offset = (number - 1) * upload.part_bytes
            length = min(upload.part_bytes, upload.bytes - offset)
            if number in upload.received:
                self._report(offset + length)
                continue
            self._send_bytes("PUT", _upload_path(upload, "parts", str(number)), offset, length)

    def _complete(self, upload: Upload) -> StoredDataset:
        path = _upload_path(upload, "complete")
        response = self._transport.send(
            "POST", path, repeatable=True, patient=True, held_s=INSPECTION_S
        )
        return read(StoredDataset, response)

    def _send_bytes(
        self, method: str, path: str, offset: int, length: int, **request: Any
    ) -> httpx.Response:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(length),
            **request.pop("headers", {}),
        }
        # The service stores the same bytes once, however often they are sent.
        return self._transport.send(
            method,
            path,
            body=lambda: self._read(offset, length),
            repeatable=True,
            patient=True,
            held_s=INSPECTION_S,
            headers=headers,
            **request,
        )

    def _read(self, offset: int, length: int) -> Iterator[bytes]:
        sent = offset
        for chunk in self._source.read(offset, length):
            yield chunk
            sent += len(chunk)
            self._report(sent)

    def _report(self, done: int) -> None:
        if self._on_progress is not None:
            self._on_progress(done, self._source.bytes)


def _upload_path(upload: Upload, *rest: str) -> str:
    return path_to("uploads", upload.id, *rest)


class _Source:
    """The bytes to send: a file from its initial position to its end, read as often as needed."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._file = file
        self._start = file.tell()
        self.bytes = file.seek(0, os.SEEK_END) - self._start
        self.sha256 = self._digest()

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `offset`; fewer if the file has become shorter."""
        position, end = offset, offset + length
        while position < end:
            self._file.seek(self._start + position)
            chunk = self._file.read(min(CHUNK_BYTES, end - position))
            if not chunk:
                return
            yield chunk
            position += len(chunk)

    def _digest(self) -> bytes:
        digest = hashlib.sha256()
        for chunk in self.read(0, self.bytes):
            digest.update(chunk)
        return digest.digest()


@contextmanager
def _open_source(given: str | Path | IO[bytes], name: str | None) -> Iterator[_Source]:
    """Open a path, or use a file opened in binary mode, which stays open.

    A file that cannot be read twice, such as a pipe, is copied to a temporary file. Raises OSError.
    """
    with ExitStack() as opened:
        file: BinaryIO
        if isinstance(given, str | Path):
            _check_file(Path(given))
            # Unbuffered: a buffered reader asks a pipe for its position.
            file = cast(BinaryIO, opened.enter_context(Path(given).open("rb", buffering=0)))
        else:
            file = cast(BinaryIO, given)
            _check_binary(file)
        if not file.seekable():
            file = opened.enter_context(_spooled(file))
        yield _Source(file, name or _name_of(given))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR,
            "expected a file; pack a folder of images into a ZIP file, and upload that"
            " (shutil.make_archive(name, 'zip', folder))",
            str(path),
        )


def _check_binary(file: BinaryIO) -> None:
    if isinstance(file.read(0), str):
        raise TypeError('expected a file opened in binary mode, such as open(path, "rb")')


@contextmanager
def _spooled(file: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(prefix="ridgeline-") as copy:
        shutil.copyfileobj(file, copy, CHUNK_BYTES)
        copy.seek(0)
        yield cast(BinaryIO, copy)


def _name_of(given: str | Path | IO[bytes]) -> str:
    path = given if isinstance(given, str | Path) else getattr(given, "name", None)
    # A pipe's name is a number.
    name = Path(path).name if isinstance(path, str | Path) else "upload"
    return "".join(filter(str.isprintable, name))[:_MAX_NAME_LENGTH]
