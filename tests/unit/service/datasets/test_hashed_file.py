"""Bytes that are written and hashed at the same time, in chunks of any size."""

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

from service.datasets import receiving
from service.datasets.receiving import MARGIN_BYTES, HashedFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


async def write(path: Path, chunks: list[bytes]) -> HashedFile:
    file = HashedFile(path)
    try:
        for chunk in chunks:
            await file.write(chunk)
        await file.finish()
    finally:
        await file.close()
    return file


@pytest.mark.parametrize("largest", [1, 1000, 100_000])
def test_chunks_of_any_size_make_the_same_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    monkeypatch.setattr(receiving, "BATCH_BYTES", 4096)
    monkeypatch.setattr(receiving, "WRITE_BACK_BYTES", 10_000)
    random_ = random.Random(largest)  # noqa: S311
    chunks = [random_.randbytes(random_.randint(0, largest)) for _ in range(200)]
    file = asyncio.run(write(path, chunks))
    content = b"".join(chunks)
    assert path.read_bytes() == content
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_an_empty_file_has_the_hash_of_nothing(path: Path) -> None:
    file = asyncio.run(write(path, []))
    assert (file.size, file.sha256) == (0, hashlib.sha256().hexdigest())


def test_a_full_disk_raises_and_the_file_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "BATCH_BYTES", 1)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(write(path, [b"x"] * 100))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_disks_margin_stays_free(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may be on the same disk; files that arrive in parallel each had room alone."""
    monkeypatch.setattr(receiving, "BATCH_BYTES", 1000)

    def disk_usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=MARGIN_BYTES + 4500 - (folder / path.name).stat().st_size)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(write(path, [b"x" * 1000] * 100))
    assert path.stat().st_size == 5000


def test_a_slow_disk_holds_the_client_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "BATCH_BYTES", 10)
    stands, write_ = threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        stands.wait(10)
        return write_(descriptor, data)

    monkeypatch.setattr(os, "write", slow)

    async def fill() -> int:
        file = HashedFile(path)

        async def write() -> None:
            while True:
                await file.write(b"0123456789")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write(), 0.2)
        stands.set()
        await file.finish()
        await file.close()
        return file.size

    size = asyncio.run(fill())
    assert 10 < size <= 10 * (2 * receiving.AHEAD + 2)
    assert path.stat().st_size == size
