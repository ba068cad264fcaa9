"""Brings a file whose length and SHA-256 are known, over however many connections it takes."""

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import httpx

from ridgeline.client.answers import refuse
from ridgeline.client.errors import ChecksumError
from ridgeline.client.retries import Attempts
from ridgeline.client.transport import Transport, pause_after

OnProgress = Callable[[int, int], None]
"""Called with the bytes that are there, and the bytes of the whole file."""

#: Windows would translate line ends.
_BINARY = getattr(os, "O_BINARY", 0)
#: How much is written at once.
_BLOCK_BYTES = 2**20
#: How many blocks may wait for their sum to be taken.
_BLOCKS_HELD = 8


@dataclass(frozen=True)
class Expected:
    """The file to bring, and the path it is served at."""

    name: str
    path: str
    bytes: int
    sha256: str


def download(
    service: Transport, expected: Expected, to: Path, on_progress: OnProgress | None
) -> Path:
    """Bring a file to the path `to`, or into the folder `to`; return where it lies.

    Raises ChecksumError, UnreachableError, and the ProblemError that was answered.
    """
    target = to / expected.name if to.is_dir() else to
    # The sum in the name: the part of another version must not be continued.
    part = target.with_name(f"{target.name}.{expected.sha256[:12]}.part")
    # The sum is taken by a second thread: while it computes, the next bytes come.
    with _open(part) as file, ThreadPoolExecutor(1, "sha256") as summing:
        _Download(service, expected, file, summing, on_progress or _nobody).bring()
        os.fsync(file.fileno())
    try:
        part.replace(target)
    except FileNotFoundError:
        # Another call has brought the same file, and was the first to give it its name.
        if not target.is_file():
            raise
    return target


@contextmanager
def _open(part: Path) -> Iterator[BinaryIO]:
    """The file to write to, kept for the next call unless its bytes are wrong."""
    # Not for appending: two calls at once write the same bytes to the same places.
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | _BINARY, 0o666), "r+b", 0) as file:
        try:
            yield file
        except ChecksumError:
            part.unlink(missing_ok=True)
            raise


def _nobody(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


class _Download:
    """A file on its way, whose sum is taken as its bytes come."""

    def __init__(
        self,
        service: Transport,
        expected: Expected,
        file: BinaryIO,
        summing: Executor,
        on_progress: OnProgress,
    ) -> None:
        self._service = service
        self._expected = expected
        self._file = file
        self._summing = summing
        self._on_progress = on_progress
        self._attempts = Attempts(service.retries, patient=True)
        self._begin()

    def bring(self) -> None:
        """Bring the file to its full length, continuing after each break, and check its sum."""
        self._take_over()
        self._on_progress(self._done, self._expected.bytes)
        while self._done < self._expected.bytes:
            before = self._done
            pause: float | None
            try:
                pause = self._bring_rest()
            except httpx.RequestError as error:
                if self._done > before:
                    self._attempts.progressed()
                pause = self._attempts.pause_s()
                if pause is None:
                    raise self._service.unreachable(error) from error
            time.sleep(pause)
        self._check()

    def _begin(self) -> None:
        self._file.seek(0)
        self._sum = hashlib.sha256()
        self._unsummed: deque[Future[None]] = deque()
        self._done = 0

    def _take_over(self) -> None:
        """Take what an earlier call has brought into the sum."""
        if os.fstat(self._file.fileno()).st_size > self._expected.bytes:
            self._file.truncate(0)
        while block := self._file.read(_BLOCK_BYTES):
            self._add(block)

    def _bring_rest(self) -> float:
        """Ask for what is missing; returns how long to wait should that not have been all."""
        headers = {"Accept-Encoding": "identity"}
        if self._done:
            headers |= {
                "Range": f"bytes={self._done}-",
                "If-Range": f'"{self._expected.sha256}"',
            }
        with self._service.stream("GET", self._expected.path, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                pause = pause_after(answer, self._attempts, repeatable=True)
                return refuse(answer) if pause is None else pause
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                self._begin()
            self._write(answer.iter_bytes())
        if self._done < self._expected.bytes:
            raise httpx.RemoteProtocolError(
                f"expected {self._expected.bytes} bytes, received {self._done}"
            )
        return 0.0

    def _write(self, chunks: Iterator[bytes]) -> None:
        """Write what comes, until it ends or breaks, or is another file and may have no end."""
        block = bytearray()
        try:
            for chunk in chunks:
                block += chunk
                if len(block) >= _BLOCK_BYTES:
                    full, block = block, bytearray()
                    self._keep(full)
                if self._done > self._expected.bytes:
                    return
        finally:
            self._keep(block)

    def _keep(self, block: bytearray) -> None:
        if block:
            self._file.write(block)
            self._add(block)
            self._on_progress(self._done, self._expected.bytes)

    def _add(self, block: bytes | bytearray) -> None:
        self._done += len(block)
        self._unsummed.append(self._summing.submit(self._sum.update, block))
        if len(self._unsummed) > _BLOCKS_HELD:
            self._unsummed.popleft().result()

    def _check(self) -> None:
        for block in self._unsummed:
            block.result()
        received = self._sum.hexdigest()
        if received != self._expected.sha256:
            raise ChecksumError(
                f"{self._expected.name}: expected {self._expected.bytes} bytes with the SHA-256"
                f" {self._expected.sha256}, received {self._done} with {received};"
                " they were removed, download it again"
            )
