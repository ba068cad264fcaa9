"""The client against the real application, in this process; without a worker, jobs stay queued."""

import copy
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from ridgeline import Client, JobStatus
from ridgeline.api.job import Job
from ridgeline.api.log import LogLevel
from ridgeline.client import (
    ConflictError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    NoSuchArtifactError,
    NotFoundError,
    WaitTimeoutError,
)
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
    """Passes each request to the application without a network."""

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
    # No server listens there: jobs are accepted without a broker.
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


def test_queued_job_has_no_attempts(ridgeline: Client) -> None:
    assert ridgeline.attempts(ridgeline.submit(SPEC).id) == ()
    with pytest.raises(NotFoundError):
        ridgeline.attempts("job_" + "0" * 32)


def test_pages_follow_each_other(ridgeline: Client) -> None:
    posted = [ridgeline.submit(SPEC | {"tags": [tag]}).id for tag in ("a", "b", "a", "a")]
    assert [job.id for job in ridgeline.jobs(page_size=2)] == posted[::-1]
    tagged = ridgeline.jobs(tag="a", status=JobStatus.QUEUED, page_size=1)
    assert [job.id for job in tagged] == [posted[3], posted[2], posted[0]]


def test_same_key_returns_the_first_job(ridgeline: Client) -> None:
    first = ridgeline.submit(SPEC, idempotency_key="k")
    assert ridgeline.submit(SPEC, idempotency_key="k").id == first.id
    with pytest.raises(IdempotencyKeyReusedError):
        ridgeline.submit(SPEC | {"name": "another"}, idempotency_key="k")


def test_validate_stores_nothing(ridgeline: Client) -> None:
    validation = ridgeline.validate(SPEC)
    assert validation.parameters.total == 4 * 3 + 3
    assert validation.penalties[0].strength == 0.001
    assert list(ridgeline.jobs()) == []


def test_presets_can_be_submitted(ridgeline: Client) -> None:
    entries = ridgeline.presets()
    assert [entry.name for entry in entries][:2] == ["imdb_mlp", "imdb_mlp_half"]
    assert ridgeline.preset("imdb_mlp") == entries[0]
    small = ridgeline.preset("vgg_like", input_size=None, pooling_rate=0.3)
    job = ridgeline.submit(small.spec)
    assert job.spec == small.spec
    assert job.spec.model.model_dump(exclude_unset=True)["pooling_rate"] == 0.3
    assert job.resolved.model.layers[0].type_name() == "Conv2D"
    with pytest.raises(NotFoundError, match="the presets are imdb_mlp"):
        ridgeline.preset("resnet")
    with pytest.raises(InvalidRequestError, match="rate"):
        ridgeline.preset("imdb_mlp", rate=1.5)


def test_fault_has_a_pointer(ridgeline: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ridgeline.submit(SPEC | {"regularization": {"dropout": {"rate": 1.0}}})
    (fault,) = caught.value.problem.errors
    assert fault.pointer.startswith("/regularization/dropout")


def test_wait_raises_after_its_timeout(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    with pytest.raises(WaitTimeoutError, match="queued"):
        ridgeline.wait(job.id, timeout=0.3)


def test_requests_that_the_state_does_not_allow_raise(ridgeline: Client, tmp_path: Path) -> None:
    job = ridgeline.submit(SPEC)
    with pytest.raises(ConflictError):
        ridgeline.delete(job.id)
    with pytest.raises(NoSuchArtifactError, match="none yet"):
        ridgeline.download(job.id, "model.keras", tmp_path)
    with pytest.raises(NotFoundError):
        ridgeline.job("../healthz")


def test_log_is_read_page_by_page(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    ridgeline.cancel(job.id)
    lines = list(ridgeline.logs(job.id, page_size=1))
    assert [line.fields["after"] for line in lines] == ["queued", "cancelled"]
    assert list(ridgeline.logs(job.id, level=LogLevel.ERROR)) == []
    with pytest.raises(NotFoundError):
        list(ridgeline.logs("job_" + "0" * 32))


def test_log_is_followed_until_the_job_has_ended(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    lines = ridgeline.logs(job.id, follow=True, page_size=1)
    assert next(lines).fields["after"] == "queued"
    ridgeline.cancel(job.id)
    assert [line.fields["after"] for line in lines] == ["cancelled"]


def test_following_a_log_raises_after_its_timeout(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    with pytest.raises(WaitTimeoutError, match=job.id):
        list(ridgeline.logs(job.id, follow=True, timeout=0.1))
    ridgeline.cancel(job.id)
    assert len(list(ridgeline.logs(job.id, follow=True, timeout=0.1))) == 2


def test_events_of_a_job_that_has_ended(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    ridgeline.cancel(job.id)
    events = list(ridgeline.events(job.id))
    assert [getattr(event, "after", None) for event in events] == ["queued", "cancelled"]
    assert list(ridgeline.events(job.id, after=events[0].id)) == events[1:]


def test_charts_and_comparison(ridgeline: Client) -> None:
    first, second = (
        ridgeline.submit(SPEC | {"regularization": {"weights": {"l2": l2}}}) for l2 in (0.1, 0.2)
    )
    assert next(iter(ridgeline.charts(first.id))).name == "losses"
    chart = ridgeline.chart(first.id, format="vega-lite", theme="dark", max_points=10)
    assert "vega-lite" in chart["$schema"]
    with pytest.raises(NotFoundError):
        ridgeline.chart(first.id, "colours")
    with pytest.raises(InvalidRequestError):
        ridgeline.chart(first.id, width=1)
    with pytest.raises(ValueError, match="svg, png, vega-lite"):
        ridgeline.chart(first.id, format="gif")  # type: ignore[call-overload]
    comparison = ridgeline.compare(first.id, second.id, max_points=10)
    (difference,) = comparison.differences
    assert difference.pointer == "/regularization/weights/l2"
    assert difference.values == {first.id: 0.1, second.id: 0.2}
    chart = ridgeline.compare_chart(first.id, second.id, measure="accuracy", format="vega-lite")
    assert "vega-lite" in chart["$schema"]
    with pytest.raises(InvalidRequestError):
        ridgeline.compare(first.id)


def test_equal_bytes_are_one_data_set(ridgeline: Client, tmp_path: Path) -> None:
    content = b"a,b\n1,x\n2,y\n"
    stored = ridgeline.upload(io.BytesIO(content), name="letters", format="csv")
    assert (stored.name, stored.rows) == ("letters", 2)
    assert ridgeline.upload(io.BytesIO(content)) == stored
    assert list(ridgeline.datasets()) == [stored]
    back = ridgeline.download_dataset(stored.id, tmp_path)
    assert back == tmp_path / "letters"
    assert back.read_bytes() == content
    ridgeline.delete_dataset(stored.id)
    assert list(ridgeline.datasets()) == []


def test_catalog_is_json(ridgeline: Client) -> None:
    assert {"layers", "optimizers"} <= set(ridgeline.catalog())


def test_jobs_by_several_statuses(ridgeline: Client) -> None:
    queued, cancelled = (ridgeline.submit(SPEC).id for _ in range(2))
    ridgeline.cancel(cancelled)
    both = [JobStatus.QUEUED, JobStatus.CANCELLED]
    assert [job.id for job in ridgeline.jobs(status=both)] == [cancelled, queued]
    assert [job.id for job in ridgeline.jobs(status=JobStatus.CANCELLED)] == [cancelled]


def test_jobs_by_the_name_of_a_status(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    assert [listed.id for listed in ridgeline.jobs(status="queued")] == [job.id]
    assert list(ridgeline.jobs(status=["failed", "cancelled"])) == []
    with pytest.raises(InvalidRequestError, match="status"):
        next(ridgeline.jobs(status="bogus"))


def test_view_outside_a_notebook_prints_lines(
    ridgeline: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    job = ridgeline.submit(SPEC)
    view = ridgeline.watch(job.id)
    assert repr(view) == "small  queued  epoch 0/10"
    ridgeline.cancel(job.id)
    assert view.wait().status is JobStatus.CANCELLED
    first, second = capsys.readouterr().out.splitlines()
    assert first == "queued"
    assert second.startswith("queued → cancelled: ")
    file = io.StringIO()
    view.wait(file)
    assert file.getvalue().splitlines() == [first, second]


def test_copied_and_pickled_jobs_are_equal(ridgeline: Client) -> None:
    job = ridgeline.submit(SPEC)
    assert copy.deepcopy(job) == job == copy.copy(job)
    again = pickle.loads(pickle.dumps(job))  # noqa: S301 - pickled here
    assert again.model_dump() == job.model_dump()
    assert job.model_dump_json() == Job.model_validate_json(job.model_dump_json()).model_dump_json()
    assert repr(job).startswith("Job(id=")


def test_no_workers(ridgeline: Client) -> None:
    assert ridgeline.workers() == ()
