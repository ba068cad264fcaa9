"""GET /jobs/{id}/attempts: which workers tried a job, and how that ended."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.testclient import TestClient

from ridgeline.api.attempts import Attempt, AttemptOutcome, JobAttempts
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import AttemptExit, AttemptReason, LeaseStore
from service.services import Services
from tests.integration.service.conftest import epoch_row


def attempts(client: TestClient, job_id: str) -> tuple[Attempt, ...]:
    answer = client.get(f"/jobs/{job_id}/attempts")
    assert answer.status_code == 200, answer.text
    return JobAttempts.model_validate_json(answer.content).attempts


def test_outcomes_are_those_of_the_records() -> None:
    stored = {reason.value for reason in (*AttemptReason, *EndCode)}
    assert {outcome.value for outcome in AttemptOutcome} == stored | {"running"}


def test_a_queued_job_has_no_attempts(client: TestClient, submit: Callable[..., str]) -> None:
    assert client.get(f"/jobs/{submit()}/attempts").json() == {"attempts": []}


def test_a_running_attempt_has_no_end(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    worker.epochs(worker.claim(job_id), epoch_row(1), epoch_row(2))
    (attempt,) = client.get(f"/jobs/{job_id}/attempts").json()["attempts"]
    assert datetime.fromisoformat(attempt.pop("started_at")).tzinfo is not None
    assert attempt == {
        "number": 1,
        "worker": "test",
        "ended_at": None,
        "outcome": "running",
        "exit_code": None,
        "signal": None,
        "reason": None,
        "epochs": 2,
    }


def test_a_crashed_attempt_is_listed_before_the_next(
    client: TestClient, services: Services, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    claim = worker.claim(job_id)
    worker.epochs(claim, epoch_row(1))
    LeaseStore(services.database).release(
        claim,
        penalized=True,
        delay_s=0.0,
        attempt_exit=AttemptExit(signal=9, detail="The trainer was killed."),
    )
    worker.finish(worker.claim(job_id))
    first, second = attempts(client, job_id)
    assert (first.number, first.outcome, first.signal) == (1, "crashed", "SIGKILL")
    assert (first.exit_code, first.reason) == (None, "The trainer was killed.")
    assert first.ended_at is not None
    assert first.started_at <= first.ended_at <= second.started_at
    assert (second.number, second.outcome, second.signal) == (2, "completed", None)


def test_an_attempt_that_fails_its_job_has_the_jobs_code(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    reason = EndReason(code=EndCode.DIVERGED, detail="NaN")
    worker.finish(worker.claim(job_id), JobStatus.FAILED, reason=reason)
    (attempt,) = attempts(client, job_id)
    assert attempt.outcome is AttemptOutcome.DIVERGED
    assert attempt.ended_at is not None


def test_an_unchanged_list_is_not_sent_again(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    path = f"/jobs/{(job_id := submit())}/attempts"
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    worker.claim(job_id)
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_an_unknown_job_is_not_found(client: TestClient) -> None:
    for job_id in ("job_" + "0" * 32, "job_1"):
        answer = client.get(f"/jobs/{job_id}/attempts")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
