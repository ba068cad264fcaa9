"""Artifacts over a network that breaks."""

import os
from pathlib import Path
from threading import Thread

import pytest

from ridgeline import Client
from ridgeline.client import NoSuchArtifactError, UnreachableError
from service.http.documentation import IRIS
from tests.integration.client.conftest import Worker
from tests.rig.proxy import Proxy

pytestmark = pytest.mark.servers

MODEL = os.urandom(24 * 2**20 + 7)


@pytest.fixture
def trained(ridgeline: Client, worker: Worker) -> str:
    """A job with a model file of 24 MiB."""
    job = ridgeline.submit(IRIS)
    worker.finish(worker.claim(job.id), model_keras=MODEL)
    return job.id


def test_broken_download_is_resumed(
    ridgeline: Client, trained: str, proxy: Proxy, tmp_path: Path
) -> None:
    progress: list[tuple[int, int]] = []
    breaks = [12 * 2**20, 6 * 2**20, 1]

    def note(done: int, total: int) -> None:
        progress.append((done, total))
        if breaks and done >= breaks[-1]:
            breaks.pop()
            proxy.cut()

    path = ridgeline.download(trained, "model.keras", tmp_path, on_progress=note)
    assert path.read_bytes() == MODEL
    assert progress[0] == (0, len(MODEL))
    assert progress == sorted(set(progress))
    assert progress[-1] == (len(MODEL), len(MODEL))
    assert proxy.connections == 4
    assert list(tmp_path.iterdir()) == [path]


def test_another_call_resumes_the_partial_file(
    ridgeline: Client, trained: str, proxy: Proxy, tmp_path: Path
) -> None:
    class Interrupted(Exception):
        """Ctrl-C, or the end of the process."""

    def interrupt(done: int, total: int) -> None:
        if done > 2 * 2**20:
            raise Interrupted

    with pytest.raises(Interrupted):
        ridgeline.download(trained, "model.keras", tmp_path, on_progress=interrupt)
    assert not (tmp_path / "model.keras").exists()
    begun: list[int] = []
    path = ridgeline.download(
        trained, "model.keras", tmp_path, on_progress=lambda done, _: begun.append(done)
    )
    assert begun[0] >= 2 * 2**20
    assert path.read_bytes() == MODEL


@pytest.mark.parametrize("names", [("a", "b", "c"), ("same", "same", "same")])
def test_concurrent_downloads_do_not_interfere(
    ridgeline: Client, trained: str, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """One client, used by three threads."""
    paths: list[Path] = []

    def fetch(name: str) -> None:
        paths.append(ridgeline.download(trained, "model.keras", tmp_path / name))

    threads = [Thread(target=fetch, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(paths) == [tmp_path / name for name in names]
    assert all(path.read_bytes() == MODEL for path in tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_unreachable_service_raises_after_the_patience(
    ridgeline: Client, trained: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoSuchArtifactError, match=r"published: model\.keras"):
        ridgeline.download(trained, "model.onnx", tmp_path)
    proxy.refuse()
    with pytest.raises(UnreachableError):
        ridgeline.download(trained, "model.keras", tmp_path)
    assert list(tmp_path.iterdir()) == []
