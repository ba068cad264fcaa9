"""GET /jobs/{id}/report."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.api.report import Environment, Report, Verdict

REPORT = Report(
    verdict=Verdict.GOOD,
    evidence=(),
    epochs=3,
    best_epoch=3,
    gap=0.1,
    gap_share=0.05,
    reference=2.0,
    baseline=2.0,
    losses={"loss": 0.5, "val_loss": None},
    penalty_share=None,
    penalties=(),
    weights=(),
    nonfinite_weights=(),
    histograms_left_out=0,
    raises=(),
    suggestions=(),
    environment=Environment(python="3", keras="3", tensorflow="2", numpy="2", devices=("CPU",)),
)
TEXT = REPORT.model_dump_json()

Submit = Callable[..., str]


@pytest.fixture
def reported(submit: Submit, worker: Any) -> str:
    """The path of a report."""
    job_id = submit()
    worker.finish(worker.claim(job_id), report=TEXT)
    return f"/jobs/{job_id}/report"


def test_a_report_is_served_as_stored(client: TestClient, reported: str) -> None:
    answer = client.get(reported)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert Report.model_validate_json(answer.content) == REPORT


def test_the_tag_depends_on_the_content(client: TestClient, reported: str) -> None:
    tag = client.get(reported).headers["ETag"]
    assert tag == f'"{hashlib.sha256(TEXT.encode()).hexdigest()}"'
    again = client.get(reported, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert client.get(reported, headers={"If-None-Match": '"x"'}).status_code == 200


def test_head_has_no_body(client: TestClient, reported: str) -> None:
    answer = client.head(reported)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == client.get(reported).headers["ETag"]


def test_a_failed_job_may_have_a_report(client: TestClient, submit: Submit, worker: Any) -> None:
    job_id = submit()
    reason = EndReason(code=EndCode.DIVERGED, detail="NaN")
    worker.finish(worker.claim(job_id), JobStatus.FAILED, reason=reason, report=TEXT)
    assert client.get(f"/jobs/{job_id}/report").json()["verdict"] == "good"


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_job_that_has_not_ended_is_409(
    client: TestClient, submit: Submit, worker: Any, status: str
) -> None:
    job_id = submit()
    if status == "running":
        worker.claim(job_id)
    answer = client.get(f"/jobs/{job_id}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert int(answer.headers["Retry-After"]) > 0
    assert status in answer.json()["detail"]


def test_a_cancelled_job_has_no_report(client: TestClient, submit: Submit) -> None:
    job_id = submit()
    client.post(f"/jobs/{job_id}/cancel")
    answer = client.get(f"/jobs/{job_id}/report")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "cancelled" in answer.json()["detail"]


def test_a_crashed_job_has_no_report(client: TestClient, submit: Submit, worker: Any) -> None:
    job_id = submit()
    reason = EndReason(code=EndCode.CRASH_LOOP, detail="3 attempts failed.")
    worker.finish(worker.claim(job_id), JobStatus.FAILED, reason=reason)
    answer = client.get(f"/jobs/{job_id}/report")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "crash_loop" in answer.json()["detail"]


def test_an_unknown_job_is_not_found(client: TestClient) -> None:
    answer = client.get(f"/jobs/job_{'0' * 32}/report")
    assert answer.status_code == 404
    assert "No job has this id" in answer.json()["detail"]
