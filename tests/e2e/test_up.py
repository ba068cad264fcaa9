"""`ridgeline up` with the real service and worker."""

import contextlib
import hashlib
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ridgeline.api.job import Job
from ridgeline.cli.local.address import Address, free_address
from ridgeline.client import Client, UnreachableError
from ridgeline.storage import Database, JobRecord, JobStore
from tests.e2e.conftest import CHECKOUT, poll

if TYPE_CHECKING:
    from tests.e2e.conftest import Run

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(300)]

IRIS: dict[str, Any] = {
    "dataset": {"source": "builtin", "name": "iris"},
    "split": {"validation": 0.2, "test": 0.2, "stratify": True},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "training": {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "epochs": 3},
}
LONG = IRIS | {"training": IRIS["training"] | {"epochs": 100_000}}
#: Three seconds on an idle machine; this one may be busy.
HEALTHY_S = 30.0
STOPPED_S = 30.0
#: About a second on an idle machine; polls alone would take 10 s.
STARTED_S = 5.0


def test_job_from_submission_to_download(run: "Run", tmp_path: Path) -> None:
    started = time.monotonic()
    port = free_address(Address("127.0.0.1", 0)).port
    up = run("up", "--port", str(port))
    up.wait_for_output("API ", seconds=HEALTHY_S)
    with Client(f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport()) as client:
        job = client.submit(IRIS)  # The worker is not ready yet; the job is queued.
        assert time.monotonic() - started < HEALTHY_S
        job = client.wait(job.id, timeout=90)
        assert job.status == "succeeded", job
        assert client.curves(job.id).epoch == (1, 2, 3)
        model = _model(job)
        whole = client.download(job.id, "model.keras", tmp_path / "whole.keras")
        assert hashlib.sha256(whole.read_bytes()).hexdigest() == model.sha256
        _begin(tmp_path / "rest.keras", whole.read_bytes()[:1000], model.sha256)
        rest = client.download(job.id, "model.keras", tmp_path / "rest.keras")
        assert rest.read_bytes() == whole.read_bytes()
    up.wait_for_output("takes jobs")

    up.signal(signal.SIGINT)
    assert up.exit_status() == 0, up.output
    assert up.nothing_left()
    assert list((tmp_path / "t").glob("ridgeline-*")) == []
    free_address(Address("127.0.0.1", port))


def test_jobs_start_at_once_without_a_redis_server(
    run: "Run", no_redis: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(no_redis), str(CHECKOUT)])
    up = run("up", "--port", "0", PYTHONPATH=path, PATH=str(no_redis / "bin"))
    output = up.wait_for_output("takes jobs", seconds=90)
    assert "found no redis-server" in output
    url = next(word for word in output.split() if word.startswith("http://"))
    with Client(url, transport=httpx.HTTPTransport()) as client:
        for _ in range(3):  # each is submitted right after the worker polled
            job = client.wait(client.submit(IRIS).id, timeout=90)
            assert job.status == "succeeded", job
            assert job.started_at is not None
            assert (job.started_at - job.created_at).total_seconds() < STARTED_S
    readiness = httpx.get(f"{url}/readyz", trust_env=False).json()
    assert (readiness["status"], readiness["broker"]) == ("ready", "none")
    up.signal(signal.SIGINT)
    assert up.exit_status(STOPPED_S) == 0, up.output
    assert up.nothing_left()
    logs = tmp_path / ".ridgeline" / "logs"
    assert not (logs / "redis.log").exists()
    for name in ("api.log", "worker.log"):
        lines = (logs / name).read_text().splitlines()
        complaints = [line for line in lines if "broker" in line and "no_broker" not in line]
        assert complaints == []


def test_sigkill_during_training_leaves_no_process(run: "Run") -> None:
    port = free_address(Address("127.0.0.1", 0)).port
    up = run("up", "--port", str(port))
    up.wait_for_output("API ", seconds=HEALTHY_S)
    with Client(f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport()) as client:
        job = client.submit(LONG)
        deadline = time.monotonic() + 90
        while client.job(job.id).progress.epoch == 0:
            assert time.monotonic() < deadline, up.output
            time.sleep(0.05)
        assert len(up.descendants()) > 3  # a trainer too
        up.process.kill()
        assert up.nothing_left()
        with pytest.raises(UnreachableError):
            client.job(job.id)


def test_ctrl_c_during_training_requeues_the_job_and_the_next_up_resumes_it(
    run: "Run", tmp_path: Path
) -> None:
    port = free_address(Address("127.0.0.1", 0)).port
    up = run("up", "--port", str(port))
    up.wait_for_output("API ", seconds=HEALTHY_S)
    with Client(f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport()) as client:
        job = client.submit(LONG)
        deadline = time.monotonic() + 90
        while client.job(job.id).progress.epoch == 0:
            assert time.monotonic() < deadline, up.output
            time.sleep(0.05)
        began = time.monotonic()
        up.signal(signal.SIGINT)
        assert up.exit_status(STOPPED_S) == 0, up.output
        assert time.monotonic() - began < STOPPED_S
        assert up.nothing_left()
        requeued = _record(tmp_path, job.id)
        assert (requeued.status, requeued.attempt) == ("queued", 1)
        assert (requeued.drain_count, requeued.crash_count) == (1, 0)
        run("up", "--port", str(port)).wait_for_output("API ", seconds=HEALTHY_S)
        poll("the second attempt", 90, lambda: _record(tmp_path, job.id).attempt == 2)
        done = requeued.progress_epoch
        poll("its next epoch", 90, lambda: _record(tmp_path, job.id).progress_epoch > done)
        first = _first_epoch(tmp_path, job.id, attempt=2)
        assert first == done + 1, "it resumed from the checkpoint"


def _record(folder: Path, job_id: str) -> JobRecord:
    """The job as it is stored."""
    database = Database(f"sqlite:///{folder}/.ridgeline/ridgeline.db", pool_size=1)
    try:
        record = JobStore(database).get(job_id)
    finally:
        database.close()
    assert record is not None
    return record


def _first_epoch(folder: Path, job_id: str, attempt: int) -> int:
    """The first epoch that the attempt recorded."""
    url = f"file:{folder}/.ridgeline/ridgeline.db?mode=ro"
    with contextlib.closing(sqlite3.connect(url, uri=True)) as connection:
        query = "SELECT min(epoch) FROM epochs WHERE job_id = ? AND attempt = ?"
        (first,) = connection.execute(query, (job_id, attempt)).fetchone()
    return int(first)


def _model(job: Job) -> Any:
    return {artifact.name: artifact for artifact in job.artifacts}["model.keras"]


def _begin(path: Path, content: bytes, sha256: str) -> None:
    """Create the partial file of an interrupted download."""
    path.with_name(f"{path.name}.{sha256[:12]}.part").write_bytes(content)
