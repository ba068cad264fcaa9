"""A download is the published file, or it breaks off, whatever happened to the disk."""

import hashlib
import os
import random
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from ridgeline.storage.files.local import CHUNK_BYTES
from ridgeline.storage.tables import artifacts
from service.http.downloads import CorruptFile
from service.services import Services

CONTENT = random.Random(4).randbytes(3 * CHUNK_BYTES + 1234)  # noqa: S311 - no two chunks alike
SIZE = len(CONTENT)
#: The edges of every chunk, and places between them.
OFFSETS = sorted(
    {0, 1, SIZE // 2, SIZE - 2, SIZE - 1}
    | {edge + near for edge in range(CHUNK_BYTES, SIZE, CHUNK_BYTES) for near in (-1, 0, 1)}
    | {random.Random(5).randrange(SIZE) for _ in range(10)}  # noqa: S311
)


@pytest.fixture
def path(submit: Callable[..., str], worker: Any) -> str:
    """Where a published file is served."""
    job_id = submit()
    worker.train(job_id, model_keras=CONTENT, other_keras=CONTENT[::-1])
    return f"/jobs/{job_id}/artifacts/model.keras"


@pytest.fixture
def file(path: str, services: Services) -> Path:
    """Where that file is stored."""
    (found,) = services.settings.artifacts_dir.rglob("model.keras")
    return found


def download(client: TestClient, path: str) -> tuple[int, bytes]:
    """The status, and the bytes received until the answer ended or broke off."""
    received = b""
    with client.stream("GET", path) as answer:
        try:
            for chunk in answer.iter_raw():
                received += chunk
        except CorruptFile:  # the test's transport has no connection to break off
            pass
    return answer.status_code, received


def say_xxh3(services: Services, xxh3: str | None) -> None:
    """Change the hash in the files' records."""
    with services.database.write() as connection:
        connection.execute(update(artifacts).values(xxh3=xxh3))


def assert_refused(client: TestClient, path: str) -> None:
    """410, or an answer that the client sees is incomplete."""
    status, received = download(client, path)
    assert status == 410 or (status == 200 and len(received) < SIZE)
    assert hashlib.sha256(received).digest() != hashlib.sha256(CONTENT).digest()


def test_a_bit_flipped_anywhere(client: TestClient, path: str, file: Path) -> None:
    for offset in OFFSETS:
        for bit in (0, 7):
            wrong = bytearray(CONTENT)
            wrong[offset] ^= 1 << bit
            file.write_bytes(wrong)
            assert_refused(client, path)
    file.write_bytes(CONTENT)
    assert download(client, path) == (200, CONTENT)


def test_a_flipped_bit_is_detected_without_the_faster_hash(
    client: TestClient, path: str, file: Path, services: Services
) -> None:
    """Earlier releases stored no faster hash."""
    say_xxh3(services, None)
    assert download(client, path) == (200, CONTENT)
    wrong = bytearray(CONTENT)
    wrong[SIZE // 2] ^= 1
    file.write_bytes(wrong)
    assert_refused(client, path)


def test_the_faster_hash_decides(client: TestClient, path: str, services: Services) -> None:
    say_xxh3(services, "0" * 32)
    assert_refused(client, path)


def test_a_truncated_file_is_detected(client: TestClient, path: str, file: Path) -> None:
    for offset in reversed(OFFSETS):
        os.truncate(file, offset)
        assert client.get(path).status_code == 410
    file.unlink()
    assert client.get(path).status_code == 410


def test_a_file_truncated_during_the_download_is_detected(
    client: TestClient, path: str, file: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size was right when the download began."""
    read = services.artifacts.read

    def read_and_cut(key: str, start: int, end: int) -> Generator[bytes, None, None]:
        chunks = read(key, start, end)
        yield next(chunks)
        # Between two reads: one beside the cut may still give the file's length, in zeros.
        os.truncate(file, CHUNK_BYTES + 100)
        yield from chunks

    monkeypatch.setattr(services.artifacts, "read", read_and_cut)
    status, received = download(client, path)
    assert status == 200
    assert len(received) == CHUNK_BYTES + 100
    assert CONTENT.startswith(received)


@pytest.mark.parametrize("target", ["outside", "sibling", "nowhere", "itself", "folder"])
def test_a_link_in_place_of_the_file_is_not_followed(
    client: TestClient, path: str, file: Path, tmp_path: Path, target: str
) -> None:
    """Not even a link to a file of the same size."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(SIZE))
    targets = {
        "outside": secret,
        "sibling": file.with_name("other.keras"),
        "nowhere": file.with_name("absent"),
        "itself": file,
        "folder": file.parent,
    }
    file.unlink()
    file.symlink_to(targets[target])
    assert_refused(client, path)
    if target != "sibling":
        assert download(client, path)[0] == 410
