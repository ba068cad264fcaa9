"""Data sets uploaded and downloaded over a network that breaks."""

import hashlib
import io
import os
from pathlib import Path
from threading import Thread

import httpx
import pytest

from ridgeline import Client
from ridgeline.api.datasets import StoredDataset
from ridgeline.client import (
    BodyTooLargeError,
    DigestMismatchError,
    InvalidRequestError,
    NotFoundError,
    Retries,
    UnreachableError,
    UnusableDatasetError,
    _uploads,
)
from tests.integration.client.conftest import MOST_BYTES, PART_BYTES, connect
from tests.rig.api import Api
from tests.rig.proxy import Proxy

pytestmark = pytest.mark.servers

SMALL = b"size,price\n1,2.5\n2,3.5\n3,4.0\n"
Progress = list[tuple[int, int]]


@pytest.fixture(autouse=True)
def parts_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uploads, "IN_PARTS_BYTES", PART_BYTES)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A table of five parts, the last one short; different in every test."""
    path = tmp_path / "large.csv"
    token = os.urandom(8).hex()
    rows = (f"{number},{token},{'x' * 50}\n" for number in range(60_000))
    path.write_text("number,token,text\n" + "".join(rows))
    assert 4 * PART_BYTES < path.stat().st_size < 5 * PART_BYTES
    return path


def is_whole(path: Path, stored: StoredDataset) -> bool:
    return stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_small_file_is_sent_in_one_request(ridgeline: Client, tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_bytes(SMALL)
    progress: Progress = []
    stored = ridgeline.upload(path, on_progress=lambda *at: progress.append(at))
    assert (stored.name, stored.format, stored.rows) == ("houses.csv", "csv", 3)
    assert stored.columns is not None
    assert [column.name for column in stored.columns] == ["size", "price"]
    assert is_whole(path, stored)
    assert progress[-1] == (len(SMALL), len(SMALL))
    assert ridgeline.dataset(stored.id) == stored
    assert next(ridgeline.datasets(page_size=1)) == stored
    back = ridgeline.download_dataset(stored.id, tmp_path / "back.csv")
    assert back.read_bytes() == SMALL
    ridgeline.delete_dataset(stored.id)
    with pytest.raises(NotFoundError):
        ridgeline.dataset(stored.id)


def test_stored_file_is_not_sent_again(ridgeline: Client, large: Path, proxy: Proxy) -> None:
    stored = ridgeline.upload(large)
    proxy.cut_after(PART_BYTES)  # if so much went through, the next lines would see it
    assert ridgeline.upload(large, name="another name") == stored
    assert ridgeline.upload(str(large)) == stored


def test_pipe_is_uploaded(ridgeline: Client, tmp_path: Path) -> None:
    """Such as `/dev/stdin`."""
    pipe, content = tmp_path / "rows.csv", b"a,b\n1,2\n3,4\n"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    stored = ridgeline.upload(pipe)
    writer.join(10)
    assert (stored.name, stored.bytes) == ("rows.csv", len(content))


def test_folder_is_rejected_with_a_hint_to_zip_it(ridgeline: Client, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="into a ZIP file"):
        ridgeline.upload(tmp_path)


@pytest.mark.parametrize("seekable", [True, False])
def test_file_is_read_from_its_position(ridgeline: Client, seekable: bool) -> None:
    content = b"not this\n" + SMALL + os.urandom(4).hex().encode() + b",1\n"
    file = io.BytesIO(content) if seekable else Pipe(content)
    file.read(9)
    stored = ridgeline.upload(file, name="from memory")
    assert stored.name == "from memory"
    assert stored.sha256 == hashlib.sha256(content[9:]).hexdigest()
    assert not file.closed


class Pipe(io.BytesIO):
    """A file that can be read once."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def test_text_file_is_rejected(ridgeline: Client) -> None:
    with pytest.raises(TypeError, match="binary mode"):
        ridgeline.upload(io.StringIO("a,b\n"))  # type: ignore[arg-type]


def test_unusable_file_is_rejected(ridgeline: Client, tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(UnusableDatasetError) as caught:
        ridgeline.upload(path)
    assert caught.value.problem.errors
    with pytest.raises(UnusableDatasetError):
        ridgeline.upload(path, format="parquet")
    with pytest.raises(ValueError, match="xlsx"):
        ridgeline.upload(path, format="xlsx")
    with pytest.raises(InvalidRequestError):
        ridgeline.upload(path, name="two\nlines")


@pytest.mark.parametrize("at_once", [2**30, 0])
def test_too_large_file_is_rejected_before_it_is_sent(
    ridgeline: Client, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(_uploads, "IN_PARTS_BYTES", at_once)
    content = bytes(4 * MOST_BYTES)
    progress: Progress = []
    with pytest.raises(BodyTooLargeError, match=f"{MOST_BYTES:,}|{MOST_BYTES}"):
        ridgeline.upload(io.BytesIO(content), on_progress=lambda *at: progress.append(at))
    assert len(progress) <= 4 * MOST_BYTES / 2**20


def test_large_file_is_sent_in_parts(ridgeline: Client, large: Path) -> None:
    progress: Progress = []
    stored = ridgeline.upload(large, on_progress=lambda *at: progress.append(at))
    assert is_whole(large, stored)
    size = large.stat().st_size
    assert progress == sorted(progress)
    assert {at // PART_BYTES for at, _ in progress} == {1, 2, 3, 4}
    assert progress[-1] == (size, size)


@pytest.mark.parametrize("count", [300, PART_BYTES + 5_000, 4 * PART_BYTES])
def test_broken_connection_costs_one_part(
    ridgeline: Client, large: Path, proxy: Proxy, count: int
) -> None:
    proxy.cut_after(count)
    assert is_whole(large, ridgeline.upload(large))


def test_another_call_sends_only_the_missing_parts(large: Path, proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{proxy.port}"
    proxy.cut_after(2 * PART_BYTES + 100_000)
    before: list[int] = []
    impatient = Retries(tries=1, patience_s=0)
    with (
        Client(url, transport=RecordingTransport(before), retries=impatient) as first,
        pytest.raises(UnreachableError),
    ):
        first.upload(large)
    assert before == [1, 2, 3]
    again: list[int] = []
    with Client(url, transport=RecordingTransport(again)) as second:
        assert is_whole(large, second.upload(large))
    assert again == [3, 4, 5]


def test_concurrent_uploads_create_one_data_set(api: Api, large: Path) -> None:
    uploaded: list[StoredDataset] = []

    def upload() -> None:
        with connect(api.url) as client:
            uploaded.append(client.upload(large))

    threads = [Thread(target=upload) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(uploaded) == 3
    assert len({stored.id for stored in uploaded}) == 1


def test_file_that_changes_during_the_upload_is_not_stored(
    ridgeline: Client, large: Path, tmp_path: Path
) -> None:
    def spoil(done: int, total: int) -> None:
        with large.open("r+b") as file:
            file.seek(total - 2)
            file.write(b"?")

    with pytest.raises(DigestMismatchError):
        ridgeline.upload(large, on_progress=spoil)
    assert is_whole(large, ridgeline.upload(large))


class RecordingTransport(httpx.BaseTransport):
    """Records the numbers of the parts that are sent."""

    def __init__(self, puts: list[int]) -> None:
        self._puts = puts
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            self._puts.append(int(request.url.path.rpartition("/")[2]))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()
