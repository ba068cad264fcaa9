"""A file of Keras's is found, fetched or asked for, and never trusted unseen."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ridgeline.api.job import EndCode
from worker.engine.context import TrainingFailed
from worker.engine.data.sources.cache import KerasCache
from worker.inputs.keras_files import KerasFile, keras_folder

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/torn" else CONTENT)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server on a loopback port that has the file."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.fixture
def nobody() -> Iterator[str]:
    """A loopback port that is taken, on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def cache_of(folder: Path, url: str, sha256: str | None = DIGEST) -> KerasCache:
    return KerasCache(folder, {"file": KerasFile("below/file.npz", url, sha256)})


def failure_of(cache: KerasCache) -> str:
    with pytest.raises(TrainingFailed) as failure:
        cache.path("file")
    assert failure.value.code is EndCode.DATA_UNAVAILABLE
    return failure.value.detail


def test_a_cached_file_is_not_fetched(tmp_path: Path, nobody: str) -> None:
    path = tmp_path / "below" / "file.npz"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert cache_of(tmp_path, nobody).path("file") == path


@pytest.mark.parametrize("address", ["/file", "/moved"])
@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_a_missing_file_is_fetched(
    address: str, sha256: str | None, tmp_path: Path, server: str
) -> None:
    path = cache_of(tmp_path / "new", server + address, sha256).path("file")
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_unreachable_is_said_in_seconds(tmp_path: Path, nobody: str) -> None:
    started = time.monotonic()
    detail = failure_of(cache_of(tmp_path, nobody))
    assert time.monotonic() - started < 5
    assert "file.npz is not on the worker and could not be downloaded" in detail
    assert f"download {nobody} elsewhere" in detail
    assert f"put it at {tmp_path}/below/file.npz" in detail
    assert not list((tmp_path / "below").iterdir())


@pytest.mark.parametrize(("address", "words"), [("/missing", "404"), ("/torn", "peer closed")])
def test_an_answer_that_is_no_file(address: str, words: str, tmp_path: Path, server: str) -> None:
    assert words in failure_of(cache_of(tmp_path, server + address))
    assert not list((tmp_path / "below").iterdir())


def test_more_than_a_file_may_have(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engine.data.sources.cache.MAX_BYTES", len(CONTENT) - 1)
    assert "more than 5119999 bytes" in failure_of(cache_of(tmp_path, f"{server}/file"))


def test_longer_than_it_may_take(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engine.data.sources.cache.TOTAL_S", -1.0)
    assert "it took more than" in failure_of(cache_of(tmp_path, f"{server}/file"))


def test_a_download_with_another_digest_is_thrown_away(tmp_path: Path, server: str) -> None:
    detail = failure_of(cache_of(tmp_path, f"{server}/file", "0" * 64))
    assert DIGEST in detail
    assert "0" * 64 in detail
    assert not list((tmp_path / "below").iterdir())


def test_a_cached_file_with_another_digest_is_refused(tmp_path: Path, server: str) -> None:
    path = tmp_path / "below" / "file.npz"
    path.parent.mkdir()
    path.write_bytes(b"not it")
    detail = failure_of(cache_of(tmp_path, f"{server}/file"))
    assert hashlib.sha256(b"not it").hexdigest() in detail
    assert DIGEST in detail
    assert f"{path} is not the file that Keras expects" in detail
    assert "delete it" in detail
    assert path.read_bytes() == b"not it"


def test_a_folder_that_takes_no_file(tmp_path: Path, server: str) -> None:
    (tmp_path / "below").write_text("a file where the folder should be")
    assert "could not be downloaded" in failure_of(cache_of(tmp_path, f"{server}/file"))


def test_the_folder_is_keras_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_folder() == tmp_path / "datasets"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert keras_folder() == Path("/home/somebody/.keras/datasets")
