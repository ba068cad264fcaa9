"""A download is the file that was published, or it breaks off; whatever happened to the disk."""

import hashlib
import os
import random
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from ridgeline.storage.files.artifacts.local import CHUNK_BYTES
from ridgeline.storage.tables import artifacts
from service.http.downloads import CorruptFile
from service.services import Parts

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
def file(path: str, parts: Parts) -> Path:
    """Where that file lies."""
    (found,) = parts.settings.artifacts_dir.rglob("model.keras")
    return found


def download(client: TestClient, path: str) -> tuple[int, bytes]:
    """The status, and the bytes that came before the answer ended or broke off."""
    received = b""
    with client.stream("GET", path) as answer:
        try:
            for chunk in answer.iter_raw():
                received += chunk
        except CorruptFile:  # the test's transport has no connection to break off
            pass
    return answer.status_code, received


def say_xxh3(parts: Parts, xxh3: str | None) -> None:
    """Change what the records say of the files."""
    with parts.database.write() as connection:
        connection.execute(update(artifacts).values(xxh3=xxh3))


def assert_refused(client: TestClient, path: str) -> None:
    """It is gone, or the client sees that the answer is not whole."""
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


def test_a_bit_flipped_in_a_file_of_an_earlier_release(
    client: TestClient, path: str, file: Path, parts: Parts
) -> None:
    """It was stored without the quicker hash."""
    say_xxh3(parts, None)
    assert download(client, path) == (200, CONTENT)
    wrong = bytearray(CONTENT)
    wrong[SIZE // 2] ^= 1
    file.write_bytes(wrong)
    assert_refused(client, path)


def test_the_quicker_hash_is_the_one_that_counts(
    client: TestClient, path: str, parts: Parts
) -> None:
    say_xxh3(parts, "0" * 32)
    assert_refused(client, path)


def test_cut_off_anywhere(client: TestClient, path: str, file: Path) -> None:
    for offset in reversed(OFFSETS):
        os.truncate(file, offset)
        assert client.get(path).status_code == 410
    file.unlink()
    assert client.get(path).status_code == 410


def test_cut_off_during_the_download(
    client: TestClient, path: str, file: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size was right when it was asked for."""
    read = parts.artifacts.read

    def read_and_cut(key: str, start: int, end: int) -> Generator[bytes, None, None]:
        chunks = read(key, start, end)
        yield next(chunks)
        # Between two reads: one beside the cut may still give the file's length, in zeros.
        os.truncate(file, CHUNK_BYTES + 100)
        yield from chunks

    monkeypatch.setattr(parts.artifacts, "read", read_and_cut)
    status, received = download(client, path)
    assert status == 200
    assert len(received) == CHUNK_BYTES + 100
    assert CONTENT.startswith(received)


@pytest.mark.parametrize("target", ["outside", "sibling", "nowhere", "itself", "folder"])
def test_replaced_by_a_link(
    client: TestClient, path: str, file: Path, tmp_path: Path, target: str
) -> None:
    """A link to another file of the same size gives none of its bytes as this one's."""
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
