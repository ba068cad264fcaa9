"""Brings a file to the service: a small one at once, a large one in parts."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx

from ridgeline.api.datasets import StoredDataset
from ridgeline.api.uploads import Upload
from ridgeline.client.answers import read
from ridgeline.client.downloads import OnProgress
from ridgeline.client.errors import (
    ChecksumError,
    ConflictError,
    DigestMismatchError,
    NotFoundError,
)
from ridgeline.client.sources import Source
from ridgeline.client.transport import Transport, path_to
from ridgeline.spec.dataset.contents import DatasetFormat

#: A larger file goes in parts, so that a break costs one of them and not all.
IN_PARTS_BYTES = 64 * 2**20
#: How long the service may take to look through a file that it has received, in seconds.
INSPECTION_S = 600.0
#: How often parts are looked for that are missing after all were sent.
_ROUNDS = 3


class Sending:
    """One file on its way to the service."""

    def __init__(self, service: Transport, source: Source, on_progress: OnProgress | None) -> None:
        self._service = service
        self._source = source
        self._on_progress = on_progress
        self._sha256 = source.sha256.hex()

    def bring(self, format_: DatasetFormat | None) -> StoredDataset:
        """Bring the file, unless the service has its bytes already."""
        stored = self._stored()
        if stored is None and self._source.bytes <= IN_PARTS_BYTES:
            stored = self._bring_at_once(format_)
        elif stored is None:
            stored = self._bring_in_parts(format_)
        if stored.sha256 != self._sha256:
            raise ChecksumError(
                f"{self._source.name}: sent bytes with the SHA-256 {self._sha256}, the service has"
                f" stored {stored.sha256}; was the file written to meanwhile? Upload it again"
            )
        self._tell(self._source.bytes)
        return stored

    def _stored(self) -> StoredDataset | None:
        """The data set that has these bytes: its id begins like their sum."""
        try:
            answer = self._service.send("GET", path_to("datasets", f"ds_{self._sha256[:32]}"))
        except NotFoundError:
            return None
        return read(StoredDataset, answer)

    def _bring_at_once(self, format_: DatasetFormat | None) -> StoredDataset:
        query = {"name": self._source.name} | ({"format": format_.value} if format_ else {})
        sum_ = base64.b64encode(self._source.sha256).decode()
        answer = self._send_bytes(
            "POST",
            "/datasets",
            0,
            self._source.bytes,
            params=query,
            headers={"Content-Digest": f"sha-256=:{sum_}:"},
        )
        return read(StoredDataset, answer)

    def _bring_in_parts(self, format_: DatasetFormat | None) -> StoredDataset:
        upload = self._begin(format_)
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                self._bring_parts(upload)
                return self._complete(upload)
            except DigestMismatchError:
                # One of the parts is not what it was: what has come is of no use to the next call.
                self._service.send("DELETE", _path(upload))
                raise
            except (NotFoundError, ConflictError):
                # Somebody else may be bringing the same file, and have come to its end.
                stored = self._stored()
                if stored is not None:
                    return stored
                if not rounds_left:
                    raise
                upload = read(Upload, self._service.send("GET", _path(upload), patient=True))
        raise AssertionError("the last round returns or raises")

    def _begin(self, format_: DatasetFormat | None) -> Upload:
        """Begin an upload, or go on with the one that an earlier call began."""
        wanted = {"name": self._source.name, "bytes": self._source.bytes, "sha256": self._sha256}
        if format_ is not None:
            wanted["format"] = format_.value
        headers = {"Content-Type": "application/json"}
        body = json.dumps(wanted).encode()
        # By its sum the service knows an upload again, so beginning twice is beginning once.
        answer = self._service.send(
            "POST", "/uploads", body=body, headers=headers, repeatable=True, patient=True
        )
        return read(Upload, answer)

    def _bring_parts(self, upload: Upload) -> None:
        for number in range(1, upload.parts + 1):
            offset = (number - 1) * upload.part_bytes
            length = min(upload.part_bytes, upload.bytes - offset)
            if number in upload.received:
                self._tell(offset + length)
                continue
            self._send_bytes("PUT", _path(upload, "parts", str(number)), offset, length)

    def _complete(self, upload: Upload) -> StoredDataset:
        path = _path(upload, "complete")
        answer = self._service.send(
            "POST", path, repeatable=True, patient=True, held_s=INSPECTION_S
        )
        return read(StoredDataset, answer)

    def _send_bytes(
        self, method: str, path: str, offset: int, length: int, **request: Any
    ) -> httpx.Response:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(length),
            **request.pop("headers", {}),
        }
        # The same bytes are stored once, however often they come.
        return self._service.send(
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
            self._tell(sent)

    def _tell(self, done: int) -> None:
        if self._on_progress is not None:
            self._on_progress(done, self._source.bytes)


def _path(upload: Upload, *rest: str) -> str:
    return path_to("uploads", upload.id, *rest)
