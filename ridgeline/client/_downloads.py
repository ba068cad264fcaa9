"""Downloads a file whose length and SHA-256 are known, over as many connections as it takes."""

import hashlib
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from ridgeline.api.datasets import StoredDataset
from ridgeline.api.job import Job
from ridgeline.client._http import Backoff, Transport, job_path, path_to, pause_after, raise_error
from ridgeline.client.errors import ChecksumError, KerasMissingError, NoSuchArtifactError

OnProgress = Callable[[int, int], None]
"""Called with the bytes transferred so far, and the bytes of the whole file."""

#: Windows would translate line ends.
_BINARY = getattr(os, "O_BINARY", 0)
#: How many bytes are written at once.
_BLOCK_BYTES = 2**20
#: How many blocks may wait to be hashed.
_BLOCKS_HELD = 8


def download_artifact(
    transport: Transport, job: Job, name: str, to: Path, on_progress: OnProgress | None
) -> Path:
    """Download a job's artifact to the path `to`, or into the folder `to`; return its path.

    Raises NoSuchArtifactError, ChecksumError, UnreachableError and ProblemError.
    """
    published = {artifact.name: artifact for artifact in job.artifacts}
    if name not in published:
        names = ", ".join(published) or "none yet: the job has not succeeded"
        raise NoSuchArtifactError(f"{job.id} has no artifact {name!r}; published: {names}")
    artifact, path = published[name], job_path(job.id, "artifacts", name)
    expected = _Expected(name, path, artifact.bytes, artifact.sha256)
    return _download(transport, expected, to, on_progress)


def download_dataset(
    transport: Transport, stored: StoredDataset, to: Path, on_progress: OnProgress | None
) -> Path:
    """Download a stored data set to the path `to`, or into the folder `to`; return its path.

    Raises ChecksumError, UnreachableError and ProblemError.
    """
    file_name = Path(stored.name).name
    name = stored.id if file_name in ("", "..") else file_name
    path = path_to("datasets", stored.id, "content")
    return _download(transport, _Expected(name, path, stored.bytes, stored.sha256), to, on_progress)


def load_keras_model(download: Callable[[Path], Path]) -> Any:
    """Load the model file that `download` writes into a folder; raises KerasMissingError."""
    try:
        # By its name: the client must not depend on Keras, which takes seconds to import. And
        # before the download, which is of no use without it.
        saving = import_module("keras.saving")
    except ImportError as error:
        raise KerasMissingError(
            f"Keras cannot be imported here ({error}); install it with a backend, such as"
            " `pip install keras tensorflow`, or get only the file with download()"
        ) from error
    with tempfile.TemporaryDirectory(prefix="ridgeline-") as folder:
        return saving.load_model(download(Path(folder)))


@dataclass(frozen=True)
class _Expected:
    """The file to download, and the path it is served at."""

    name: str
    path: str
    bytes: int
    sha256: str


def _download(
    transport: Transport, expected: _Expected, to: Path, on_progress: OnProgress | None
) -> Path:
    target = to / expected.name if to.is_dir() else to
    # The digest in the name: the partial file of another version must not be continued.
    partial = target.with_name(f"{target.name}.{expected.sha256[:12]}.part")
    # A second thread hashes while this one receives.
    with _open(partial) as file, ThreadPoolExecutor(1, "sha256") as hashing:
        _Download(transport, expected, file, hashing, on_progress or _ignore).run()
        os.fsync(file.fileno())
    try:
        partial.replace(target)
    except FileNotFoundError:
        # Another call has downloaded the same file, and renamed it first.
        if not target.is_file():
            raise
    return target


@contextmanager
def _open(partial: Path) -> Iterator[BinaryIO]:
    """The file to write to, kept for the next call unless its bytes are wrong."""
    # Not in append mode: two calls at once write the same bytes to the same offsets.
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | _BINARY, 0o666), "r+b", 0) as file:
        try:
            yield file
        except ChecksumError:
            partial.unlink(missing_ok=True)
            raise


def _ignore(done: int, total: int) -> None:
    """Report no progress."""


class _Download:
    """A file in transfer, hashed as its bytes arrive."""

    def __init__(
        self,
        transport: Transport,
        expected: _Expected,
        file: BinaryIO,
        hashing: Executor,
        on_progress: OnProgress,
    ) -> None:
        self._transport = transport
        self._expected = expected
        self._file = file
        self._hashing = hashing
        self._on_progress = on_progress
        self._backoff = Backoff(transport.retries, patient=True)
        self._restart()

    def run(self) -> None:
        """Transfer the whole file, resuming after each broken connection, and check its digest."""
        self._resume()
        self._on_progress(self._done, self._expected.bytes)
        while self._done < self._expected.bytes:
            before = self._done
            pause: float | None
            try:
                pause = self._receive_rest()
            except httpx.RequestError as error:
                if self._done > before:
                    self._backoff.reset()
                pause = self._backoff.pause_s()
                if pause is None:
                    raise self._transport.unreachable(error) from error
            time.sleep(pause)
        self._check()

    def _restart(self) -> None:
        self._file.seek(0)
        self._sha256 = hashlib.sha256()
        self._unhashed: deque[Future[None]] = deque()
        self._done = 0

    def _resume(self) -> None:
        """Hash what an earlier call has written."""
        if os.fstat(self._file.fileno()).st_size > self._expected.bytes:
            self._file.truncate(0)
        while block := self._file.read(_BLOCK_BYTES):
            self._hash(block)

    def _receive_rest(self) -> float:
        """Request the missing bytes; return the seconds to wait should some still be missing."""
        headers = {"Accept-Encoding": "identity"}
        if self._done:
            headers |= {
                "Range": f"bytes={self._done}-",
                "If-Range": f'"{self._expected.sha256}"',
            }
        with self._transport.stream("GET", self._expected.path, headers=headers) as response:
            if not response.is_success:
                response.read()
                pause = pause_after(response, self._backoff, repeatable=True)
                return raise_error(response) if pause is None else pause
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:
                self._restart()
            self._write(response.iter_bytes())
        if self._done < self._expected.bytes:
            raise httpx.RemoteProtocolError(
                f"expected {self._expected.bytes} bytes, received {self._done}"
            )
        return 0.0

    def _write(self, chunks: Iterator[bytes]) -> None:
        """Write the chunks to the end; stop at too many bytes, as the stream may be endless."""
        block = bytearray()
        try:
            for chunk in chunks:
                block += chunk
                if len(block) >= _BLOCK_BYTES:
                    full, block = block, bytearray()
                    self._write_block(full)
                if self._done > self._expected.bytes:
                    return
        finally:
            self._write_block(block)

    def _write_block(self, block: bytearray) -> None:
        if block:
            self._file.write(block)
            self._hash(block)
            self._on_progress(self._done, self._expected.bytes)

    def _hash(self, block: bytes | bytearray) -> None:
        self._done += len(block)
        self._unhashed.append(self._hashing.submit(self._sha256.update, block))
        if len(self._unhashed) > _BLOCKS_HELD:
            self._unhashed.popleft().result()

    def _check(self) -> None:
        for block in self._unhashed:
            block.result()
        received = self._sha256.hexdigest()
        if received != self._expected.sha256:
            raise ChecksumError(
                f"{self._expected.name}: expected {self._expected.bytes} bytes with the SHA-256"
                f" {self._expected.sha256}, received {self._done} with {received};"
                " they were removed, download it again"
            )
