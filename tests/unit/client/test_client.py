"""The client against a fake service whose responses each test sets."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from ridgeline import Client, JobStatus, client
from ridgeline.api.job import Job
from ridgeline.api.problems import Problem, ProblemCode
from ridgeline.api.report import Environment, Report, Verdict
from ridgeline.client import Retries, _waiting
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import BuiltinDataset
from ridgeline.spec.job_spec import JobSpec, Model
from ridgeline.spec.layers.core import Dense
from ridgeline.spec.regularization.policy import Regularization, WeightsPolicy
from ridgeline.spec.training import SGD, Training
from ridgeline.spec.training.losses import SparseCategoricalCrossentropy

JOB_ID = "job_" + "0" * 32
SPEC: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy"},
}
MODEL = bytes(range(256)) * 40
SHA256 = hashlib.sha256(MODEL).hexdigest()

QUICK = Retries(tries=4, first_pause_s=0.001, longest_pause_s=0.002, patience_s=0.05)

Handler = Callable[[httpx.Request], httpx.Response]

REPORT = Report(
    verdict=Verdict.GOOD,
    evidence=(),
    epochs=3,
    best_epoch=3,
    gap=0.1,
    gap_share=0.05,
    reference=2.0,
    baseline=2.0,
    losses={"loss": 0.5},
    penalty_share=None,
    penalties=(),
    weights=(),
    nonfinite_weights=(),
    histograms_left_out=0,
    raises=(),
    suggestions=(),
    environment=Environment(python="3", keras="3", tensorflow="2", numpy="2", devices=("CPU",)),
)


def job_json(status: str = "queued", **changes: object) -> dict[str, Any]:
    spec = JobSpec.model_validate_json(json.dumps(SPEC)).model_dump(mode="json")
    href = f"/jobs/{JOB_ID}/artifacts/model.keras"
    model = {"name": "model.keras", "bytes": len(MODEL), "sha256": SHA256, "href": href}
    return {
        "id": JOB_ID,
        "name": None,
        "status": status,
        "reason": None,
        "spec": spec,
        "resolved": spec,
        "penalties": [],
        "advice": [],
        "progress": {"epoch": 0, "epochs": 10, "fraction": 0.0, "eta_s": None},
        "attempt": 0,
        "metrics": {},
        "artifacts": [model | {"media_type": "application/zip"}] if status == "succeeded" else [],
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "tags": [],
    } | changes


def problem(status: int, code: str) -> httpx.Response:
    fault = {"pointer": "/training/loss", "detail": "expected a loss", "rule": "known"}
    body = {"type": f"urn:ridgeline:problem:{code}", "title": "No", "status": status}
    return httpx.Response(status, json=body | {"detail": "why", "code": code, "errors": [fault]})


class Service:
    """Passes each request to the next handler, and all further ones to the last."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.handlers: list[Handler] = []

    def answers(self, *answers: httpx.Response | Exception | Handler) -> None:
        self.handlers = [_handler(answer) for answer in answers]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return handler(request)

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def _handler(answer: httpx.Response | Exception | Handler) -> Handler:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )
        return answer(request)

    return handle


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(_waiting, "IDLE_PAUSE_S", 0.001)
    return Service()


@pytest.fixture
def ridgeline(service: Service) -> Iterator[Client]:
    transport = httpx.MockTransport(service)
    with Client("http://ridgeline.test", transport=transport, retries=QUICK) as opened:
        yield opened


class TestSubmit:
    def test_spec_is_posted_unchanged(self, service: Service, ridgeline: Client) -> None:
        service.answers(httpx.Response(202, json=job_json()))
        job = ridgeline.submit(SPEC)
        assert isinstance(job, Job)
        assert job.status is JobStatus.QUEUED
        assert service.lines == ["POST /jobs"]
        assert json.loads(service.requests[0].content) == SPEC

    def test_only_members_that_were_set_are_posted(
        self, service: Service, ridgeline: Client
    ) -> None:
        """Defaults are not neutral: a `null` regularizer would disable the policy."""
        spec = JobSpec(
            dataset=BuiltinDataset(name="iris"),
            model=Model(layers=(Dense(units=3, activation="softmax"),)),
            regularization=Regularization(weights=WeightsPolicy(l2=0.001)),
            training=Training(loss=SparseCategoricalCrossentropy(), optimizer=SGD()),
        )
        service.answers(httpx.Response(202, json=job_json()))
        ridgeline.submit(spec)
        received = JobSpec.model_validate_json(service.requests[0].content)
        assert received == spec
        assert resolve(received).spec == resolve(spec).spec
        assert resolve(received).penalties

    @pytest.mark.parametrize(
        "failure",
        [httpx.ConnectError("refused"), httpx.ReadError("reset"), problem(503, "unavailable")],
    )
    def test_retries_use_the_same_key(
        self, service: Service, ridgeline: Client, failure: httpx.Response | Exception
    ) -> None:
        service.answers(failure, failure, httpx.Response(202, json=job_json()))
        assert ridgeline.submit(SPEC).id == JOB_ID
        keys = {request.headers["Idempotency-Key"] for request in service.requests}
        assert len(service.requests) == 3
        assert len(keys) == 1

    def test_each_call_has_its_own_key(self, service: Service, ridgeline: Client) -> None:
        service.answers(httpx.Response(202, json=job_json()))
        ridgeline.submit(SPEC)
        ridgeline.submit(SPEC)
        first, second = (request.headers["Idempotency-Key"] for request in service.requests)
        assert first != second

    def test_given_key_is_sent(self, service: Service, ridgeline: Client) -> None:
        service.answers(httpx.Response(202, json=job_json()))
        ridgeline.submit(SPEC, idempotency_key="run-7")
        assert service.requests[0].headers["Idempotency-Key"] == "run-7"

    def test_nan_is_rejected_before_it_is_sent(self, service: Service, ridgeline: Client) -> None:
        with pytest.raises(ValueError, match="JSON"):
            ridgeline.submit(SPEC | {"split": {"validation": float("nan")}})
        assert service.requests == []


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (422, "invalid-request", client.InvalidRequestError),
            (422, "invalid-spec", client.InvalidSpecError),
            (400, "malformed-json", client.MalformedJsonError),
            (404, "not-found", client.NotFoundError),
            (409, "conflict", client.ConflictError),
            (409, "idempotency-key-reused", client.IdempotencyKeyReusedError),
            (503, "unavailable", client.UnavailableError),
            (500, "internal", client.InternalError),
        ],
    )
    def test_problem_is_raised_as_its_error(
        self,
        service: Service,
        ridgeline: Client,
        status: int,
        code: str,
        kind: type[client.ProblemError],
    ) -> None:
        service.answers(problem(status, code))
        with pytest.raises(kind, match="/training/loss: expected a loss") as caught:
            ridgeline.job(JOB_ID)
        assert type(caught.value) is kind
        assert caught.value.problem.code is ProblemCode(code)

    def test_every_problem_code_has_its_own_error(
        self, service: Service, ridgeline: Client
    ) -> None:
        raised = {}
        for code in ProblemCode:
            service.answers(problem(400, code))
            with pytest.raises(client.ProblemError) as caught:
                ridgeline.job(JOB_ID)
            raised[code] = type(caught.value)
            assert caught.value.problem.code is code
        assert {code: kind.code for code, kind in raised.items()} == {code: code for code in raised}
        assert len(set(raised.values())) == len(ProblemCode)
        assert {kind.__name__ for kind in raised.values()} <= set(client.__all__)

    def test_unknown_problem_code_raises_the_base_class(
        self, service: Service, ridgeline: Client
    ) -> None:
        service.answers(problem(418, "teapot"))
        with pytest.raises(client.ProblemError, match="418 No: why") as caught:
            ridgeline.job(JOB_ID)
        assert type(caught.value) is client.ProblemError
        assert caught.value.problem.type == "urn:ridgeline:problem:teapot"

    def test_connection_refused_raises_unreachable(
        self, service: Service, ridgeline: Client
    ) -> None:
        service.answers(httpx.ConnectError("refused"))
        with pytest.raises(
            client.UnreachableError, match=r"ridgeline\.test.*refused.*ridgeline up"
        ):
            ridgeline.job(JOB_ID)
        assert len(service.requests) == 4

    @pytest.mark.parametrize("status", [200, 404, 502])
    def test_response_of_another_server_is_unexpected(
        self, service: Service, ridgeline: Client, status: int
    ) -> None:
        service.answers(httpx.Response(status, text="<html>hello</html>"))
        with pytest.raises(client.UnexpectedAnswerError, match="base URL"):
            ridgeline.job(JOB_ID)

    def test_unknown_fields_are_ignored(self, service: Service, ridgeline: Client) -> None:
        newer = job_json(colour="blue")
        newer["progress"]["step"] = 12
        service.answers(httpx.Response(200, json=newer))
        assert ridgeline.job(JOB_ID).id == JOB_ID

    def test_retried_delete_accepts_404_after_a_lost_response(
        self, service: Service, ridgeline: Client
    ) -> None:
        service.answers(httpx.ReadError("reset"), problem(404, "not-found"))
        ridgeline.delete(JOB_ID)
        assert service.lines == [f"DELETE /jobs/{JOB_ID}"] * 2

    def test_deleting_an_unknown_job_raises_not_found(
        self, service: Service, ridgeline: Client
    ) -> None:
        service.answers(httpx.ConnectError("refused"), problem(404, "not-found"))
        with pytest.raises(client.NotFoundError):
            ridgeline.delete(JOB_ID)

    @pytest.mark.parametrize("ask", ["cancel", "pause", "resume"])
    def test_idempotent_post_is_retried(
        self, service: Service, ridgeline: Client, ask: str
    ) -> None:
        service.answers(httpx.ReadError("reset"), httpx.Response(200, json=job_json()))
        assert getattr(ridgeline, ask)(JOB_ID).id == JOB_ID
        assert len(service.requests) == 2

    @pytest.mark.parametrize(
        ("job_id", "path"),
        [("../healthz?", b"/jobs/..%2Fhealthz%3F"), ("..", b"/jobs/%2E%2E"), (".", b"/jobs/%2E")],
    )
    def test_id_cannot_escape_to_another_path(
        self, service: Service, ridgeline: Client, job_id: str, path: bytes
    ) -> None:
        service.answers(problem(404, "not-found"))
        with pytest.raises(client.NotFoundError):
            ridgeline.job(job_id)
        assert service.requests[0].url.raw_path == path

    def test_problem_carries_its_whole_body(self, service: Service, ridgeline: Client) -> None:
        service.answers(problem(409, "conflict"))
        with pytest.raises(client.ConflictError) as caught:
            ridgeline.delete(JOB_ID)
        assert isinstance(caught.value.problem, Problem)
        assert caught.value.problem.errors[0].rule == "known"


class TestWait:
    def test_long_polls_until_the_job_has_ended(self, service: Service, ridgeline: Client) -> None:
        running = job_json("running")
        service.answers(
            httpx.Response(200, json=job_json(), headers={"ETag": '"1"'}),
            httpx.Response(304, headers={"ETag": '"1"'}),
            httpx.Response(200, json=running, headers={"ETag": '"2"'}),
            httpx.Response(200, json=job_json("succeeded"), headers={"ETag": '"3"'}),
        )
        seen: list[str] = []
        job = ridgeline.wait(JOB_ID, on_change=lambda job: seen.append(job.status))
        assert job.status is JobStatus.SUCCEEDED
        assert seen == ["queued", "running", "succeeded"]
        first, *polls = service.requests
        assert "wait" not in first.url.params
        assert [poll.headers["If-None-Match"] for poll in polls] == ['"1"', '"1"', '"2"']
        assert all(float(poll.url.params["wait"]) > 0 for poll in polls)

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_wait_returns_failed_and_cancelled_jobs(
        self, service: Service, ridgeline: Client, status: str
    ) -> None:
        service.answers(httpx.Response(200, json=job_json(status)))
        assert ridgeline.wait(JOB_ID).status == status

    def test_timeout_raises(self, service: Service, ridgeline: Client) -> None:
        service.answers(
            httpx.Response(200, json=job_json(), headers={"ETag": '"1"'}), httpx.Response(304)
        )
        with pytest.raises(client.WaitTimeoutError, match="queued at epoch 0 of 10"):
            ridgeline.wait(JOB_ID, timeout=0.05)


class TestJobs:
    def test_pages_follow_the_cursor(self, service: Service, ridgeline: Client) -> None:
        service.answers(
            httpx.Response(200, json={"items": [job_json(), job_json()], "next": "c2"}),
            httpx.Response(200, json={"items": [job_json()], "next": None}),
        )
        assert len(list(ridgeline.jobs(status=JobStatus.QUEUED, tag="demo", page_size=2))) == 3
        first, second = (dict(request.url.params) for request in service.requests)
        assert first == {"status": "queued", "tag": "demo", "limit": "2"}
        assert second == first | {"after": "c2"}

    def test_page_is_fetched_only_when_needed(self, service: Service, ridgeline: Client) -> None:
        service.answers(httpx.Response(200, json={"items": [job_json()], "next": "c2"}))
        next(ridgeline.jobs())
        assert len(service.requests) == 1


class TestReport:
    def test_report_is_parsed(self, ridgeline: Client, service: Service) -> None:
        report = REPORT.model_dump(mode="json") | {"newer": "than this client"}
        service.answers(httpx.Response(200, json=report))
        assert ridgeline.report(JOB_ID) == REPORT
        assert service.lines == [f"GET /jobs/{JOB_ID}/report"]

    def test_running_job_has_no_report(self, ridgeline: Client, service: Service) -> None:
        service.answers(problem(409, "conflict"))
        with pytest.raises(client.ConflictError):
            ridgeline.report(JOB_ID)


class TestAttempts:
    ATTEMPT: ClassVar[dict[str, Any]] = {
        "number": 1,
        "worker": "w1",
        "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:01:00Z",
        "outcome": "crashed",
        "exit_code": None,
        "signal": "SIGKILL",
        "reason": "Out of memory.",
        "epochs": 3,
    }

    def test_attempts_are_returned_oldest_first(self, ridgeline: Client, service: Service) -> None:
        second = self.ATTEMPT | {
            "number": 2,
            "outcome": "running",
            "ended_at": None,
            "signal": None,
        }
        service.answers(httpx.Response(200, json={"attempts": [self.ATTEMPT, second]}))
        first, last = ridgeline.attempts(JOB_ID)
        assert (first.outcome, first.signal, first.exit_code) == ("crashed", "SIGKILL", None)
        assert (last.number, last.ended_at) == (2, None)
        assert service.lines == [f"GET /jobs/{JOB_ID}/attempts"]

    def test_unknown_job_raises_not_found(self, ridgeline: Client, service: Service) -> None:
        service.answers(problem(404, "not-found"))
        with pytest.raises(client.NotFoundError):
            ridgeline.attempts(JOB_ID)


class TestDownload:
    @pytest.fixture
    def storage(self, service: Service) -> "Storage":
        storage = Storage()
        service.answers(storage)
        return storage

    def test_file_is_downloaded_under_the_given_name(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        path = ridgeline.download(JOB_ID, "model.keras", tmp_path / "m.keras")
        assert path == tmp_path / "m.keras"
        assert path.read_bytes() == MODEL
        assert list(tmp_path.iterdir()) == [path]

    def test_file_is_downloaded_into_a_folder(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        path = ridgeline.download(JOB_ID, "model.keras", tmp_path)
        assert path == tmp_path / "model.keras"

    def test_broken_connection_is_resumed(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        storage.break_after = 3000
        path = ridgeline.download(JOB_ID, "model.keras", tmp_path)
        assert path.read_bytes() == MODEL
        assert storage.ranges == [None, "bytes=3000-", "bytes=6000-", "bytes=9000-"]
        assert set(storage.conditions[1:]) == {f'"{SHA256}"'}

    def test_partial_file_of_an_earlier_call_is_resumed(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        (tmp_path / f"model.keras.{SHA256[:12]}.part").write_bytes(MODEL[:100])
        assert ridgeline.download(JOB_ID, "model.keras", tmp_path).read_bytes() == MODEL
        assert storage.ranges == ["bytes=100-"]

    def test_download_restarts_where_ranges_are_not_served(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        storage.ranged = False
        (tmp_path / f"model.keras.{SHA256[:12]}.part").write_bytes(b"x" * 100)
        assert ridgeline.download(JOB_ID, "model.keras", tmp_path).read_bytes() == MODEL

    @pytest.mark.parametrize("part", [b"x" * 100, b"x" * (len(MODEL) + 1)])
    def test_wrong_bytes_are_never_renamed(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path, part: bytes
    ) -> None:
        storage.content = b"?" + MODEL[1:]
        (tmp_path / f"model.keras.{SHA256[:12]}.part").write_bytes(part)
        with pytest.raises(client.ChecksumError, match=SHA256):
            ridgeline.download(JOB_ID, "model.keras", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_connection_without_a_byte_gives_up(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        storage.break_after = 0
        with pytest.raises(client.UnreachableError):
            ridgeline.download(JOB_ID, "model.keras", tmp_path)
        assert not (tmp_path / "model.keras").exists()

    def test_truncated_file_gives_up(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        storage.content = MODEL[:-1]
        with pytest.raises(client.UnreachableError, match=f"expected {len(MODEL)} bytes"):
            ridgeline.download(JOB_ID, "model.keras", tmp_path)
        assert not (tmp_path / "model.keras").exists()

    def test_longer_file_is_rejected(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        storage.content = MODEL + b"?"
        with pytest.raises(client.ChecksumError, match=f"received {len(MODEL) + 1} with"):
            ridgeline.download(JOB_ID, "model.keras", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_unknown_artifact_error_lists_those_published(
        self, storage: "Storage", ridgeline: Client, tmp_path: Path
    ) -> None:
        with pytest.raises(client.NoSuchArtifactError, match=r"published: model\.keras"):
            ridgeline.download(JOB_ID, "model.onnx", tmp_path)


class Storage:
    """Serves the job and its model; breaks the connection after `break_after` bytes, if set."""

    def __init__(self) -> None:
        self.content = MODEL
        self.break_after: int | None = None
        self.ranged = True
        self.ranges: list[str | None] = []
        self.conditions: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/artifacts/model.keras"):
            return httpx.Response(200, json=job_json("succeeded"))
        range_ = request.headers.get("Range") if self.ranged else None
        self.ranges.append(range_)
        self.conditions.append(request.headers.get("If-Range"))
        start = int(range_.removeprefix("bytes=").removesuffix("-")) if range_ else 0
        return httpx.Response(206 if range_ else 200, content=self._bytes(start))

    def _bytes(self, start: int) -> Iterator[bytes]:
        left = self.content[start:]
        if self.break_after is None or len(left) <= self.break_after:
            yield left
            return
        yield left[: self.break_after]
        raise httpx.RemoteProtocolError("broken")


def test_missing_keras_is_raised_before_the_download(
    service: Service, ridgeline: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "keras.saving", raising=False)
    with pytest.raises(client.KerasMissingError, match="pip install keras"):
        ridgeline.load_model(JOB_ID)
    assert service.requests == []


def test_every_exported_name_can_be_imported() -> None:
    import ridgeline

    for name in ridgeline.__all__:
        assert getattr(ridgeline, name).__name__ == name
    assert set(ridgeline.__all__) <= set(dir(ridgeline))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ridgeline.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("", "http://127.0.0.1:8000"),
        ("https://ridgeline.example", "https://ridgeline.example"),
        ("ridgeline.example:8001", "http://ridgeline.example:8001"),
    ],
)
def test_client_without_an_address_uses_that_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    monkeypatch.setenv("RIDGELINE_URL", variable)
    with Client() as opened:
        assert opened.base_url == address
