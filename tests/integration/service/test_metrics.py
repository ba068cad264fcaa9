"""GET /metrics, /workers, and the alarm for unclaimed jobs."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from sqlalchemy import text
from starlette.testclient import TestClient

from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.api.worker import WorkerState
from ridgeline.storage import (
    AttemptExit,
    Database,
    FigureStore,
    LeaseStore,
    NewWorker,
    WorkerStore,
)
from service.janitor import StallAlarm
from service.main import create_app
from service.services import Services
from service.settings import Settings

WORKER = NewWorker(id="test", host="here", pid=1, slots=("cpu:0", "cpu:1"), version="1")
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def scrape(client: TestClient) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus parses them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        name(sample.name, sample.labels): sample.value
        for family in parse_text(answer.text)
        for sample in family.samples
    }


def name(sample: str, labels: dict[str, str]) -> str:
    return sample + "".join(f"[{value}]" for _, value in sorted(labels.items()))


def test_totals_and_states_are_reported(
    client: TestClient, services: Services, submit: Callable[..., str], worker: Any
) -> None:
    worker.train(submit(), epochs=3)
    failing = worker.claim(submit())
    detail = EndReason(code=EndCode.NO_SPACE, detail="full")
    LeaseStore(services.database).finish(
        failing, JobStatus.FAILED, detail, attempt_exit=AttemptExit(publish_failed=True)
    )
    worker.claim(submit())
    submit()
    WorkerStore(services.database).report(WORKER, WorkerState.READY)
    found = scrape(client)
    expected = {
        "ridgeline_up": 1,
        "ridgeline_jobs[queued]": 1,
        "ridgeline_jobs[running]": 1,
        "ridgeline_jobs[paused]": 0,
        "ridgeline_outbox_hints": 4,
        "ridgeline_workers[ready]": 1,
        "ridgeline_workers[lost]": 0,
        "ridgeline_stalled": 0,
        "ridgeline_attempts_started_total": 3,
        "ridgeline_attempts_ended_total[completed]": 1,
        "ridgeline_attempts_ended_total[no_space]": 1,
        "ridgeline_attempts_ended_total[lease_expired]": 0,
        "ridgeline_lost_leases_total": 0,
        "ridgeline_jobs_ended_total[completed]": 1,
        "ridgeline_jobs_ended_total[crash_loop]": 0,
        "ridgeline_publish_failures_total": 1,
        "ridgeline_epoch_seconds_bucket[0.3]": 0,
        "ridgeline_epoch_seconds_bucket[1.0]": 3,
        "ridgeline_epoch_seconds_bucket[+Inf]": 3,
        "ridgeline_epoch_seconds_count": 3,
        "ridgeline_epoch_seconds_sum": 1.5,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["ridgeline_oldest_wait_seconds"] >= 0
    assert found["process_resident_memory_bytes"] > 2**20
    assert not [key for key in found if key.startswith("ridgeline_jobs[succeeded")]


def test_metrics_are_available_as_openmetrics(
    client: TestClient, submit: Callable[..., str], worker: Any
) -> None:
    worker.train(submit())
    answer = client.get("/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in parse_openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    assert families["ridgeline_lost_leases"].type == "counter"
    assert families["ridgeline_epoch_seconds"].type == "histogram"
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert plain.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/openmetrics-text;version=abc", "application/openmetrics-text"),
        ("application/openmetrics-text;version=0.0.1;q=0.5,text/plain;q=0.7", "text/plain"),
        ("text/plain;version=x;escaping=y", "text/plain"),
        ("image/png", "text/plain"),
        ("*/*", "text/plain"),
    ],
)
def test_accept_chooses_the_format(client: TestClient, accept: str, media_type: str) -> None:
    answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)


def test_every_process_reports_the_same_and_no_total_falls(
    client: TestClient, settings: Settings, submit: Callable[..., str], worker: Any
) -> None:
    job_id = submit()
    worker.train(job_id)
    before = counts(scrape(client))
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    with TestClient(create_app(settings)) as another:
        assert counts(scrape(another)) == counts(scrape(client)) == before
    assert before["ridgeline_jobs_ended_total[completed]"] == 1


def counts(found: dict[str, float]) -> dict[str, float]:
    kept = ("_total", "_bucket", "_sum", "_count")
    return {
        key: value
        for key, value in found.items()
        if key.startswith("ridgeline_") and key.partition("[")[0].endswith(kept)
    }


def test_a_database_that_is_down_is_a_metric(app: FastAPI, client: TestClient) -> None:
    services: Services = app.state.services
    gone = Database("postgresql://nobody@127.0.0.1:1/none")
    app.state.services = Services(**{**vars(services), "database": gone})
    found = scrape(client)
    app.state.services = services
    assert found["ridgeline_up"] == 0
    assert "ridgeline_jobs[queued]" not in found
    assert "ridgeline_jobs_ended_total[completed]" not in found  # a zero would look like a reset


def a_minute_passes(services: Services) -> None:
    with services.database.write() as connection:
        connection.execute(text("UPDATE jobs SET available_at = available_at - 61000"))
        connection.execute(text("UPDATE attempts SET started_at = started_at - 61000"))


def test_unclaimed_jobs_raise_an_alarm_once(
    client: TestClient,
    services: Services,
    submit: Callable[..., str],
    worker: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "service.janitor")
    workers = WorkerStore(services.database)
    alarm = StallAlarm(FigureStore(services.database), workers, lease_s=30.0)
    waiting = [submit() for _ in range(3)]
    alarm()
    assert (said(caplog), scrape(client)["ridgeline_stalled"]) == ([], 0)
    a_minute_passes(services)
    alarm()
    assert said(caplog) == []  # it may be but a moment
    for _ in range(3):
        alarm()
    assert len(said(caplog)) == 1
    assert "no worker is ready" in said(caplog)[0]
    assert scrape(client)["ridgeline_stalled"] == 1
    workers.report(WORKER, WorkerState.READY)
    worker.claim(waiting[0])
    alarm()
    assert said(caplog)[1:] == ["waiting jobs are claimed again"]
    assert scrape(client)["ridgeline_stalled"] == 0
    a_minute_passes(services)
    for _ in range(3):
        alarm()
    assert said(caplog)[2:] == ["a job has waited for 122 s: test has a free slot"]
    assert scrape(client)["ridgeline_stalled"] == 1
    worker.claim(waiting[1])
    a_minute_passes(services)
    alarm()  # the third job waits for a slot
    assert said(caplog)[3:] == ["waiting jobs are claimed again"]
    assert scrape(client)["ridgeline_stalled"] == 0


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the alarm logged; the sweep logs there too that the broker is down."""
    messages = [
        record.getMessage() for record in caplog.records if record.name == "service.janitor"
    ]
    return [message for message in messages if "outbox" not in message]


def test_workers_are_listed_and_counted(
    client: TestClient, services: Services, submit: Callable[..., str], worker: Any
) -> None:
    assert client.get("/workers").json() == []
    WorkerStore(services.database).report(WORKER, WorkerState.READY)
    job_id = submit()
    worker.claim(job_id)
    (found,) = client.get("/workers").json()
    assert (found["id"], found["slots"], found["jobs"]) == ("test", ["cpu:0", "cpu:1"], [job_id])
    assert (found["state"], found["pid"], found["version"]) == ("ready", 1, "1")
    assert found["seen_at"].endswith("Z")
    with services.database.write() as connection:
        connection.execute(text("UPDATE workers SET seen_at = seen_at - 31000"))
    assert client.get("/workers").json()[0]["state"] == "lost"
