"""Bytes that are written and hashed at the same time, in any pieces."""

import asyncio
import errno
import hashlib
import os
import random
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.datasets import hashed_file
from service.datasets.hashed_file import HashedFile
from service.datasets.space import MARGIN_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


async def write(path: Path, chunks: list[bytes]) -> HashedFile:
    file = HashedFile(path)
    try:
        for chunk in chunks:
            await file.take(chunk)
        await file.finish()
    finally:
        await file.close()
    return file


@pytest.mark.parametrize("largest", [1, 1000, 100_000])
def test_any_pieces_make_the_same_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(hashed_file, "BATCH_BYTES", 4096)
    monkeypatch.setattr(hashed_file, "WRITE_BACK_BYTES", 10_000)
    random_ = random.Random(largest)  # noqa: S311
    chunks = [random_.randbytes(random_.randint(0, largest)) for _ in range(200)]
    file = asyncio.run(write(path, chunks))
    content = b"".join(chunks)
    assert path.read_bytes() == content
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_nothing(path: Path) -> None:
    file = asyncio.run(write(path, []))
    assert (file.size, file.sha256) == (0, hashlib.sha256().hexdigest())


def test_a_full_disk_is_told_and_the_file_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashed_file, "BATCH_BYTES", 1)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(write(path, [b"x"] * 100))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_disks_margin_stays_free(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records may lie there too; of many files that come at once each alone had room."""
    monkeypatch.setattr(hashed_file, "BATCH_BYTES", 1000)

    def disk_usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=MARGIN_BYTES + 4500 - (folder / path.name).stat().st_size)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(write(path, [b"x" * 1000] * 100))
    assert path.stat().st_size == 5000


def test_it_takes_no_more_than_it_can_hold(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that stands still holds the client up."""
    monkeypatch.setattr(hashed_file, "BATCH_BYTES", 10)
    stands, write_ = threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        stands.wait(10)
        return write_(descriptor, data)

    monkeypatch.setattr(os, "write", slow)

    async def fill() -> int:
        file = HashedFile(path)

        async def take() -> None:
            while True:
                await file.take(b"0123456789")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(take(), 0.2)
        stands.set()
        await file.finish()
        await file.close()
        return file.size

    size = asyncio.run(fill())
    assert 10 < size <= 10 * (2 * hashed_file.AHEAD + 2)
    assert path.stat().st_size == size
