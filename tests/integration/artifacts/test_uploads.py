"""Data sets sent through the API into a real bucket, whole and in parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.main import create_app
from service.settings import Settings

pytestmark = pytest.mark.servers

PART = 2**16
CSV = b"x,y\n" + b"".join(b"%d,%d\n" % (n, n % 3) for n in range(20_000))


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        artifacts_url=url,
        redis_url=f"redis+socket://{tmp_path}/no-redis.sock",
        upload_part_bytes=PART,
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def files(settings: Settings) -> list[Path]:
    """The files on this machine, none of them stored yet."""
    return [path for path in settings.artifacts_dir.rglob("*") if path.is_file()]


def test_data_set_sent_whole_can_be_downloaded(client: TestClient, settings: Settings) -> None:
    answer = client.post("/datasets", content=CSV)
    assert answer.status_code == 201, answer.text
    path = f"{answer.headers['Location']}/content"
    assert client.get(path).content == CSV
    part = client.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CSV[10:20])
    signed = client.get(f"{path}?redirect=true", follow_redirects=False)
    assert signed.status_code == 307
    assert client.post("/datasets", content=CSV).status_code == 200
    assert files(settings) == []
    assert client.delete(answer.headers["Location"]).status_code == 204
    assert client.get(path).status_code == 404


def test_data_set_uploaded_in_parts(client: TestClient, settings: Settings) -> None:
    """Parts are in the bucket too: another API process may complete the upload."""
    upload = client.post("/uploads", json={"name": "rows", "bytes": len(CSV)}).json()
    for number in range(1, upload["parts"] + 1):
        body = CSV[(number - 1) * PART : number * PART]
        assert client.put(f"/uploads/{upload['id']}/parts/{number}", content=body).is_success
    assert files(settings) == []
    with TestClient(create_app(settings)) as other:
        answer = other.post(f"/uploads/{upload['id']}/complete")
    assert answer.status_code == 201, answer.text
    assert client.get(f"{answer.headers['Location']}/content").content == CSV
    assert files(settings) == []
    services = client.app.state.services  # type: ignore[attr-defined] # an ASGI application at large
    assert len(list(services.datasets.files.files())) == 1
