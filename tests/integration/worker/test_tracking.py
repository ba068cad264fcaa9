"""Jobs on a real MLflow server: logged live, or later if the server or a worker was away."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import text

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.storage import Claim, LeaseStore, TrackingStore
from tests.integration.worker.conftest import CPU, House, eventually
from tests.rig.mlflow import Mlflow
from tests.rig.proxy import Proxy
from tests.rig.stored import stored_epochs
from worker.tracking.loop import Tracking

INTERVAL_S = 0.05
HOLD_S = 20.0

pytestmark = pytest.mark.servers


@pytest.fixture
def tracking(house: House, server: Mlflow, experiment: str) -> Iterator[Tracking]:
    """Tracking by a worker whose claims are tracked."""
    track(house, experiment)
    with tracking_of(house, server.url, experiment) as started:
        yield started


def track(house: House, experiment: str) -> None:
    """Track the jobs that are claimed from now on."""
    house.change(leases=LeaseStore(house.database, experiment=experiment))
    house.leases = house.supervisor.leases


def tracking_of(house: House, url: str, experiment: str, worker: str = "test") -> Tracking:
    tracked = TrackingStore(house.database, worker, HOLD_S)
    return Tracking(house.jobs, tracked, url, experiment, INTERVAL_S)


def run_of(client: MlflowClient, experiment: str, job_id: str) -> Run | None:
    existing = client.get_experiment_by_name(experiment)
    if existing is None:
        return None
    runs = client.search_runs([existing.experiment_id], f"tags.`ridgeline.job_id` = '{job_id}'")
    assert len(runs) <= 1
    return runs[0] if runs else None


def half_made(client: MlflowClient, experiment: str, job_id: str) -> str:
    """A new run of a job, without any parameter or metric."""
    with suppress(MlflowException):  # a tracking worker may have been quicker
        client.create_experiment(experiment)
    existing = client.get_experiment_by_name(experiment)
    assert existing is not None
    run = client.create_run(existing.experiment_id, tags={"ridgeline.job_id": job_id})
    return str(run.info.run_id)


def ended(client: MlflowClient, experiment: str, job_id: str) -> Run:
    def has_ended() -> bool:
        with suppress(MlflowException):  # a request to a busy server may take too long
            run = run_of(client, experiment, job_id)
            return run is not None and run.info.status != "RUNNING"
        return False

    eventually(has_ended, "the end of the run")
    run = run_of(client, experiment, job_id)
    assert run is not None
    return run


def history(client: MlflowClient, run: Run, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]


def test_job_becomes_a_run(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    job_id = house.add("succeed", regularization={"weights": {"l2": 0.25}})
    house.supervisor.supervise(job_id, CPU)
    run = ended(client, experiment, job_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == job_id
    assert run.data.params["regularization.weights.l2"] == "0.25"
    assert run.data.params["model.layers.0.type"] == "Dense"
    assert run.data.tags["ridgeline.reason"] == "completed"
    losses = [(row.epoch, row.values["loss"]) for row in stored_epochs(house.jobs, job_id)]
    assert history(client, run, "loss") == losses
    record = house.record(job_id)
    assert record.finished_at is not None
    assert run.info.end_time == round(record.finished_at.timestamp() * 1000)


def test_epochs_are_logged_during_training(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    with house.running("obedient") as job_id:

        def has_loss() -> bool:
            run = run_of(client, experiment, job_id)
            return run is not None and "loss" in run.data.metrics

        eventually(has_loss, "an epoch of a running job")
        house.jobs.request_cancel(job_id)
    run = ended(client, experiment, job_id)
    assert run.info.status == "KILLED"


def test_penalty_is_separate_and_nonfinite_values_are_nan(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    job_id = house.add("succeed")
    claim = house.leases.claim(job_id, "test")
    assert claim is not None
    marked = measured(3, None).model_copy(update={"nonfinite": ("data_loss",)})
    rows = [measured(1, 0.5), measured(2, 0.25), marked]
    house.leases.record_epochs(claim, rows, None)
    end(house.leases, claim)
    run = ended(client, experiment, job_id)
    first, second, third = history(client, run, "data_loss")
    assert (first, second, third[0]) == ((1, 0.5), (2, 0.25), 3)
    assert math.isnan(third[1])
    assert history(client, run, "penalty") == [(1, 0.125), (2, 0.125), (3, 0.125)]
    assert history(client, run, "penalty_by_layer/dense/kernel/l2") == [(1, 0.125), (2, 0.125)]
    assert run.data.metrics["final/test_loss"] == 0.5


def test_failed_run_has_the_reason(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    job_id = house.add("diverge")
    house.supervisor.supervise(job_id, CPU)
    run = ended(client, experiment, job_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["ridgeline.reason"] == "diverged"


def test_next_worker_completes_the_run_of_a_dead_one(
    house: House, server: Mlflow, client: MlflowClient, experiment: str
) -> None:
    """There is one run, it ends, and no epoch is missing or logged twice."""
    job_id = house.add("succeed")
    track(house, experiment)
    with tracking_of(house, server.url, experiment):
        claim = house.leases.claim(job_id, "test")
        assert isinstance(claim, Claim)
        house.leases.record_epochs(claim, [measured(1, 0.5), measured(2, 0.4)], None)
        eventually(lambda: _steps(client, experiment, job_id) == [1, 2], "the first epochs")
    house.leases.record_epochs(claim, [measured(3, 0.3)], None)
    end(house.leases, claim)
    with tracking_of(house, server.url, experiment, "another"):
        ended(client, experiment, job_id)
    assert _steps(client, experiment, job_id) == [1, 2, 3]


@pytest.mark.parametrize("fault", ["refuses", "hangs", "fails"])
def test_broken_server_delays_no_job_and_misses_no_epoch(
    house: House,
    server: Mlflow,
    client: MlflowClient,
    experiment: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with failing_server() as failing, Proxy(server.port) as link:
        if fault == "refuses":
            link.refuse()
        elif fault == "hangs":
            link.stall()
        else:
            link.target = failing
        track(house, experiment)
        with tracking_of(house, f"http://127.0.0.1:{link.port}", experiment):
            job_id = house.add("succeed")
            house.supervisor.supervise(job_id, CPU)
            assert house.record(job_id).status == JobStatus.SUCCEEDED
            assert run_of(client, experiment, job_id) is None
            link.target = server.port
            link.cut()
            link.forward()
            run = ended(client, experiment, job_id)
    logged = [step for step, _ in history(client, run, "loss")]
    assert logged == [row.epoch for row in stored_epochs(house.jobs, job_id)]


@contextmanager
def failing_server() -> Iterator[int]:
    """The port of a server that answers every request with 500."""

    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


def test_run_of_a_deleted_job_ends(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    job_id = house.add("succeed")
    claim = house.leases.claim(job_id, "test")
    assert claim is not None
    eventually(lambda: run_of(client, experiment, job_id), "the run")
    with house.database.write() as connection:
        connection.execute(text("DELETE FROM jobs"))
    assert ended(client, experiment, job_id).info.status == "KILLED"


def test_runs_of_another_installation_are_left_alone(
    house: House, server: Mlflow, client: MlflowClient, experiment: str
) -> None:
    """Its jobs are not in this database, but it logs to the same experiment."""
    foreign = half_made(client, experiment, f"job_{0:032x}")
    job_id = house.add("succeed")
    track(house, experiment)
    with tracking_of(house, server.url, experiment):
        house.supervisor.supervise(job_id, CPU)
        ended(client, experiment, job_id)
    assert client.get_run(foreign).info.status == "RUNNING"


def test_job_that_the_server_rejects_does_not_block_others(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    """A user changed its run; jobs before and after it are logged all the same."""
    rejected = house.add("succeed", regularization={"weights": {"l2": 0.25}})
    run_id = half_made(client, experiment, rejected)
    client.log_param(run_id, "regularization.weights.l2", "another")  # no parameter may change
    for job_id in (before := house.add("succeed"), rejected, after := house.add("succeed")):
        house.supervisor.supervise(job_id, CPU)
    assert ended(client, experiment, before).info.status == "FINISHED"
    assert ended(client, experiment, after).info.status == "FINISHED"
    assert client.get_run(run_id).info.status == "RUNNING"


def test_run_that_a_user_deletes_is_created_again(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    with house.running("obedient") as job_id:
        eventually(lambda: run_of(client, experiment, job_id), "the run")
        first = run_of(client, experiment, job_id)
        assert first is not None
        client.delete_run(first.info.run_id)
        house.jobs.request_cancel(job_id)
    run = ended(client, experiment, job_id)
    assert run.info.run_id != first.info.run_id
    assert history(client, run, "loss")[0][0] == 1


def test_any_column_name_becomes_a_parameter(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    columns = ["a b!", "a b?", "x//y", "../up", "Größe", "c" * 300, "c" * 299 + "d", "new\nline"]
    job_id = house.add("succeed")
    spec = {"encodings": {name: {"type": "number"} for name in columns}, "features": columns}
    with house.database.write() as connection:
        connection.execute(text("UPDATE jobs SET spec = :spec"), {"spec": json.dumps(spec)})
    house.supervisor.supervise(job_id, CPU)
    params = ended(client, experiment, job_id).data.params
    assert len(params) == len(columns) + 1
    assert params["encodings.a b_.type"] == params["encodings.a b_.type_2"] == "number"
    assert params["encodings.Größe.type"] == "number"


def test_parameters_missing_from_a_dead_worker_are_logged(
    house: House, tracking: Tracking, client: MlflowClient, experiment: str
) -> None:
    """It was killed right after it created the run."""
    job_id = house.add("succeed")
    half_made(client, experiment, job_id)
    house.supervisor.supervise(job_id, CPU)
    run = ended(client, experiment, job_id)
    assert run.data.params["model.layers.0.type"] == "Dense"


def _steps(client: MlflowClient, experiment: str, job_id: str) -> list[int]:
    run = run_of(client, experiment, job_id)
    return [] if run is None else [step for step, _ in history(client, run, "data_loss")]


def measured(epoch: int, data_loss: float | None) -> EpochRow:
    by_layer = {"dense/kernel/l2": None if data_loss is None else 0.125}
    return EpochRow(
        epoch=epoch,
        values={"data_loss": data_loss, "penalty": 0.125},
        penalty_by_layer=by_layer,
        seconds=0.1,
    )


def end(leases: LeaseStore, claim: Claim) -> None:
    reason = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
    assert leases.finish(claim, JobStatus.SUCCEEDED, reason, metrics={"test_loss": 0.5})
