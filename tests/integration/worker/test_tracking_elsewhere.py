"""Jobs of stopped workers: others log each as one run, with both databases."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from sqlalchemy import text

from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage import Claim, Database, JobStore, LeaseStore, NewJob, TrackingStore
from tests.integration.worker.conftest import WAIT_S, eventually, new_job
from tests.integration.worker.test_tracking import (
    HOLD_S,
    INTERVAL_S,
    end,
    ended,
    half_made,
    history,
    measured,
    run_of,
)
from tests.rig.mlflow import Mlflow
from tests.rig.process import poll
from tests.rig.proxy import Proxy
from tests.rig.stored import stored_epochs
from tests.rig.work import Work
from tests.rig.workers import Worker
from worker.tracking.loop import Tracking, track
from worker.tracking.runs import Runs

pytestmark = pytest.mark.servers

LEASE_S = 3.0
STEPS = [(epoch, 1 / epoch) for epoch in (1, 2, 3)]

Tracker = Callable[..., Tracking]


@pytest.fixture
def jobs(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def leases(database: Database, experiment: str) -> LeaseStore:
    return LeaseStore(database, experiment=experiment)


@pytest.fixture
def tracker(database: Database, jobs: JobStore, server: Mlflow, experiment: str) -> Tracker:
    """Makes the part of a worker that logs jobs to MLflow."""

    def make(worker: str, url: str = server.url, hold_s: float = HOLD_S) -> Tracking:
        store = TrackingStore(database, worker, hold_s)
        return Tracking(jobs, store, url, experiment, INTERVAL_S)

    return make


def claimed(jobs: JobStore, leases: LeaseStore, worker: str) -> Claim:
    job = jobs.create(new_job(regularization={"weights": {"l2": 0.25}})).record
    claim = leases.claim(job.id, worker)
    assert claim is not None
    return claim


def trained(jobs: JobStore, leases: LeaseStore, worker: str) -> str:
    """A job that a worker has trained to its end."""
    claim = claimed(jobs, leases, worker)
    leases.record_epochs(claim, [measured(*step) for step in STEPS], None)
    end(leases, claim)
    return claim.job_id


def assert_whole(client: MlflowClient, run: Run) -> None:
    assert run.info.status == "FINISHED"
    assert run.data.params["regularization.weights.l2"] == "0.25"
    assert history(client, run, "data_loss") == STEPS
    assert history(client, run, "penalty") == [(epoch, 0.125) for epoch, _ in STEPS]
    assert run.data.tags["ridgeline.reason"] == "completed"
    assert run.data.metrics["final/test_loss"] == 0.5


def unlogged(database: Database) -> list[tuple[str, str | None]]:
    """The jobs that are not completely logged, with their runs."""
    with database.read() as connection:
        rows = connection.execute(text("SELECT job_id, run_id FROM tracked_jobs"))
        return [(row.job_id, row.run_id) for row in rows]


def test_another_worker_logs_what_a_stopped_one_could_not(
    database: Database,
    jobs: JobStore,
    leases: LeaseStore,
    tracker: Tracker,
    server: Mlflow,
    client: MlflowClient,
    experiment: str,
) -> None:
    """The server was away while the first one ran."""
    with Proxy(server.port) as link:
        link.refuse()
        with tracker("stopped", f"http://127.0.0.1:{link.port}"):
            job_id = trained(jobs, leases, "stopped")
    assert run_of(client, experiment, job_id) is None
    with tracker("another"):
        assert_whole(client, ended(client, experiment, job_id))
        eventually(lambda: unlogged(database) == [], "all jobs to be logged")


def test_concurrent_workers_create_one_run_per_job(
    database: Database,
    jobs: JobStore,
    leases: LeaseStore,
    tracker: Tracker,
    client: MlflowClient,
    experiment: str,
) -> None:
    job_ids = [trained(jobs, leases, "dead") for _ in range(4)]
    TrackingStore(database, "dead", HOLD_S).let_go()
    with tracker("one"), tracker("two"), tracker("three"):
        for job_id in job_ids:
            assert_whole(client, ended(client, experiment, job_id))
        eventually(lambda: unlogged(database) == [], "all jobs to be logged")


def test_worker_that_was_suspended_creates_no_second_run(
    database: Database,
    jobs: JobStore,
    leases: LeaseStore,
    tracker: Tracker,
    server: Mlflow,
    client: MlflowClient,
    experiment: str,
) -> None:
    """It was suspended before it created the run; it deletes its own."""
    job_id = trained(jobs, leases, "frozen")
    frozen = TrackingStore(database, "frozen", 0.0)
    job = frozen.take(job_id)
    assert job is not None
    assert TrackingStore(database, "another", HOLD_S).take(job_id) is not None
    assert track(job, jobs, frozen, Runs(server.url))
    assert run_of(client, experiment, job_id) is None
    with tracker("another"):
        assert_whole(client, ended(client, experiment, job_id))


def test_run_that_was_created_too_late_is_deleted(
    jobs: JobStore,
    leases: LeaseStore,
    tracker: Tracker,
    client: MlflowClient,
    experiment: str,
) -> None:
    """A server that hung completes a request after its client has given up."""
    claim = claimed(jobs, leases, "test")
    with tracker("test"):
        eventually(lambda: run_of(client, experiment, claim.job_id), "the run")
        run = run_of(client, experiment, claim.job_id)
        assert run is not None
        late = half_made(client, experiment, claim.job_id)
        leases.record_epochs(claim, [measured(*step) for step in STEPS], None)
        end(leases, claim)
        eventually(lambda: client.get_run(late).info.lifecycle_stage == "deleted", "no second run")
        kept = ended(client, experiment, claim.job_id)
    assert kept.info.run_id == run.info.run_id
    assert_whole(client, kept)


def test_job_deleted_before_it_was_logged_becomes_no_run(
    database: Database,
    jobs: JobStore,
    leases: LeaseStore,
    tracker: Tracker,
    client: MlflowClient,
    experiment: str,
) -> None:
    job_id = trained(jobs, leases, "test")
    jobs.delete(job_id)
    with tracker("test"):
        eventually(lambda: unlogged(database) == [], "all jobs to be logged")
    assert run_of(client, experiment, job_id) is None


def test_run_left_open_by_an_earlier_release_is_completed(
    database: Database, jobs: JobStore, tracker: Tracker, client: MlflowClient, experiment: str
) -> None:
    """It kept no record of what it had logged."""
    job_id = trained(jobs, LeaseStore(database), "earlier")
    half_made(client, experiment, job_id)
    assert unlogged(database) == []
    with tracker("test"):
        assert_whole(client, ended(client, experiment, job_id))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_next_worker_logs_the_jobs_of_a_killed_one(
    database: Database,
    database_url: str,
    jobs: JobStore,
    server: Mlflow,
    client: MlflowClient,
    experiment: str,
    tmp_path: Path,
) -> None:
    """Killed after a run was created and before it is noted, while the second job trains.

    The first job had ended while the server was away.
    """
    first, second = posted(jobs, 3), posted(jobs, 80)
    settings = {
        "RIDGELINE_HOME": str(tmp_path),
        "RIDGELINE_DATABASE_URL": database_url,
        "RIDGELINE_REDIS_URL": f"redis+socket://{tmp_path}/none.sock",
        "RIDGELINE_LEASE_S": str(LEASE_S),
        "RIDGELINE_HEARTBEAT_S": "0.5",
        "RIDGELINE_CANCEL_GRACE_S": "1",
        "RIDGELINE_POLL_INTERVAL_S": "0.2",
        "RIDGELINE_CHECKPOINT_INTERVAL_S": "0",
        "RIDGELINE_MLFLOW_EXPERIMENT": experiment,
    }
    with Proxy(server.port) as link, noting_held_up(database_url):
        link.refuse()
        away = settings | {"RIDGELINE_MLFLOW_URL": f"http://127.0.0.1:{link.port}"}
        with Worker("killed", tmp_path, away) as worker:
            poll("the second job", lambda: stored_epochs(jobs, second), WAIT_S)
            link.forward()
            poll("a run", lambda: run_of(client, experiment, first), WAIT_S, every_s=0.1)
            worker.kill()
    assert dict(unlogged(database)) == {first: None, second: None}
    here = settings | {"RIDGELINE_MLFLOW_URL": server.url}
    with Worker("next", tmp_path, here):
        poll("the reaper", lambda: LeaseStore(database).reap(), WAIT_S, every_s=0.1)
        with database.write() as connection:
            connection.execute(text("UPDATE jobs SET available_at = 0 WHERE finished_at IS NULL"))
        for job_id in (first, second):
            run = ended(client, experiment, job_id)
            assert run.info.status == "FINISHED"
            losses = {row.epoch: row.values["loss"] for row in stored_epochs(jobs, job_id)}
            assert dict(history(client, run, "loss")) == losses
        poll("all jobs to be logged", lambda: unlogged(database) == [], WAIT_S)
    assert len(jobs.attempts(second)) == 2


def posted(jobs: JobStore, epochs: int) -> str:
    spec = json.dumps(Work(epoch_s=0.05).spec(epochs))
    resolved = resolve(JobSpec.model_validate_json(spec)).spec.model_dump_json()
    return jobs.create(NewJob(spec=spec, resolved=resolved, epochs=epochs)).record.id


@contextmanager
def noting_held_up(database_url: str) -> Iterator[None]:
    """Block updates that note a run in PostgreSQL until the block ends."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$
        """)
        connection.execute("""
            CREATE TRIGGER hold_up BEFORE UPDATE ON tracked_jobs
            FOR EACH ROW WHEN (NEW.run_id IS NOT NULL) EXECUTE FUNCTION hold_up()
        """)
        connection.execute("SELECT pg_advisory_lock(1)")
        yield
