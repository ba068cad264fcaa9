"""The client against the real application, in this process; nobody trains, so jobs stay queued."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from ridgeline import Client, JobStatus
from ridgeline.client import (
    ConflictError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NoSuchArtifactError,
    NotFoundError,
    WaitTimeoutError,
)
from ridgeline.contract.log import LogLevel
from service.main import create_app
from service.settings import Settings

SPEC: dict[str, Any] = {
    "name": "small",
    "dataset": {"source": "builtin", "name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "regularization": {"weights": {"l2": 0.001}},
    "training": {"loss": "sparse_categorical_crossentropy"},
    "tags": ["a"],
}


class InProcess(httpx.BaseTransport):
    """Hands each request to the application without a network."""

    def __init__(self, app: TestClient) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._app.request(
            request.method,
            str(request.url),
            content=request.read(),
            headers=dict(request.headers),
        )
        return httpx.Response(
            answer.status_code, headers=dict(answer.headers), content=answer.content
        )


@pytest.fixture
def ridgeline(tmp_path: Path) -> Iterator[Client]:
    # Nobody listens there: a job is taken without a broker.
    broker = SecretStr(f"redis+socket://{tmp_path}/none.sock")
    settings = Settings(home=tmp_path, redis_url=broker)
    with (
        TestClient(create_app(settings), base_url="http://ridgeline.test") as app,
        Client("http://ridgeline.test", transport=InProcess(app)) as client,
    ):
        yield client


def test_submit_read_list_cancel_delete(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    assert job.status is JobStatus.QUEUED
    assert ridgeline.job(job.id) == job
    assert [listed.id for listed in ridgeline.jobs()] == [job.id]
    assert ridgeline.artifacts(job.id) == ()
    curves = ridgeline.curves(job.id)
    assert curves.job_id == job.id
    assert curves.epoch == ()
    with pytest.raises(ConflictError, match="queued"):
        ridgeline.report(job.id)
    assert ridgeline.cancel(job.id).status is JobStatus.CANCELLED
    with pytest.raises(NotFoundError, match="cancelled"):
        ridgeline.report(job.id)
    assert ridgeline.wait(job.id, timeout=5).status is JobStatus.CANCELLED
    ridgeline.delete(job.id)
    with pytest.raises(NotFoundError):
        ridgeline.job(job.id)


def test_pages_follow_each_other(ridgeline: Client) -> None:
    posted = [ridgeline.submit(SPEC | {"tags": [tag]}).id for tag in ("a", "b", "a", "a")]
    assert [job.id for job in ridgeline.jobs(page_size=2)] == posted[::-1]
    tagged = ridgeline.jobs(tag="a", status=JobStatus.QUEUED, page_size=1)
    assert [job.id for job in tagged] == [posted[3], posted[2], posted[0]]


def test_a_key_makes_one_job(ridgeline: Client) -> None:
    first = ridgeline.submit(SPEC, idempotency_key="k")
    assert ridgeline.submit(SPEC, idempotency_key="k").id == first.id
    with pytest.raises(IdempotencyKeyReusedError):
        ridgeline.submit(SPEC | {"name": "another"}, idempotency_key="k")


def test_validate_stores_nothing(ridgeline: Client) -> None:
    validation = ridgeline.validate(SPEC)
    assert validation.parameters.total == 4 * 3 + 3
    assert validation.penalties[0].strength == 0.001
    assert list(ridgeline.jobs()) == []


def test_presets_are_ready_to_be_submitted(ridgeline: Client) -> None:
    entries = ridgeline.presets()
    assert [entry.name for entry in entries][:2] == ["imdb_mlp", "imdb_mlp_half"]
    assert ridgeline.preset("imdb_mlp") == entries[0]
    small = ridgeline.preset("vgg_like", input_size=None, pooling_rate=0.3)
    job = ridgeline.submit(small.spec)
    assert job.spec == small.spec
    assert job.spec.model.model_dump(exclude_unset=True)["pooling_rate"] == 0.3
    assert job.resolved.model.layers[0].type_name() == "Conv2D"
    with pytest.raises(NotFoundError, match="there are imdb_mlp"):
        ridgeline.preset("resnet")
    with pytest.raises(InvalidRequestError, match="rate"):
        ridgeline.preset("imdb_mlp", rate=1.5)


def test_a_fault_is_pointed_at(ridgeline: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ridgeline.submit(SPEC | {"regularization": {"dropout": {"rate": 1.0}}})
    (fault,) = caught.value.problem.errors
    assert fault.pointer.startswith("/regularization/dropout")


def test_waiting_ends_in_time(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    with pytest.raises(WaitTimeoutError, match="queued"):
        ridgeline.wait(job.id, timeout=0.3)


def test_what_does_not_fit_the_state(ridgeline: Client, tmp_path: Path) -> None:
    job = ridgeline.submit(SPEC)
    with pytest.raises(ConflictError):
        ridgeline.delete(job.id)
    with pytest.raises(NoSuchArtifactError, match="none yet"):
        ridgeline.download(job.id, "model.keras", tmp_path)
    with pytest.raises(NotFoundError):
        ridgeline.job("../healthz")


def test_the_log_is_gone_through_page_by_page(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    ridgeline.cancel(job.id)
    lines = list(ridgeline.logs(job.id, page_size=1))
    assert [line.fields["after"] for line in lines] == ["queued", "cancelled"]
    assert list(ridgeline.logs(job.id, level=LogLevel.ERROR)) == []
    with pytest.raises(NotFoundError):
        list(ridgeline.logs("job_" + "0" * 32))


def test_nobody_works(ridgeline: Client) -> None:
    assert ridgeline.workers() == ()
