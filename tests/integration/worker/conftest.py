"""A supervisor with a real store and real child processes, but a stub engine."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from ridgeline.api.job import JobStatus
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage import Database, JobRecord, JobStore, LeaseStore, LocalArtifacts, NewJob
from tests.integration.storage.conftest import database, database_url, postgresql_server
from tests.integration.worker import stub_engine
from tests.rig.mlflow import Mlflow
from tests.rig.process import files_in
from tests.rig.stored import stored_epochs
from worker.drain import Drain
from worker.settings import WorkerSettings
from worker.slots.slots import Slot
from worker.supervision.supervisor import Supervisor
from worker.trainer.forkserver import Forkserver

__all__ = ["database", "database_url", "postgresql_server"]

WAIT_S = 30.0
CPU = Slot("cpu:0", "-1")


def spec_json(**changes: Any) -> str:
    """A small, valid spec."""
    spec = {
        "dataset": {"source": "builtin", "name": "iris"},
        "split": {"validation": 0.2, "test": 0.1, "stratify": True},
        "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
        "training": {
            "epochs": changes.pop("epochs", 3),
            "optimizer": {"name": "adam", "learning_rate": 0.01},
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "seed": 7,
        },
        **changes,
    }
    return json.dumps(spec)


def new_job(deadline_s: float | None = None, **changes: Any) -> NewJob:
    resolved = resolve(JobSpec.model_validate_json(spec_json(**changes))).spec
    return NewJob(
        spec=spec_json(**changes),
        resolved=resolved.model_dump_json(),
        epochs=resolved.training.epochs,
        deadline_s=deadline_s,
    )


def eventually(condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process is running; a zombie is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class House:
    """A supervisor with its stores, and helpers to inspect them."""

    def __init__(self, supervisor: Supervisor, database: Database, folder: Path) -> None:
        self.supervisor = supervisor
        self.database = database
        self.folder = folder
        self.jobs = JobStore(database)
        self.leases = supervisor.leases
        self.pids: set[int] = set()

    def with_settings(self, **changes: Any) -> None:
        self.change(settings=self.supervisor.settings.model_copy(update=changes))

    def change(self, **changes: Any) -> None:
        self.supervisor = replace(self.supervisor, **changes)

    def add(self, behaviour: str, **changes: Any) -> str:
        return self.jobs.create(new_job(name=behaviour, **changes)).record.id

    def run(self, behaviour: str, **changes: Any) -> JobRecord:
        """Create a job and run an attempt to its end."""
        job_id = self.add(behaviour, **changes)
        self.supervisor.supervise(job_id, CPU)
        return self.record(job_id)

    @contextmanager
    def running(self, behaviour: str, **changes: Any) -> Iterator[str]:
        """A job whose first epoch is stored; after the block its attempt must end soon."""
        job_id = self.add(behaviour, **changes)
        attempt = threading.Thread(target=self.supervisor.supervise, args=(job_id, CPU))
        attempt.start()
        try:
            eventually(lambda: stored_epochs(self.jobs, job_id), "the first epoch")
            self.pids.update(int(pid) for pid in self.pids_of(job_id))
            yield job_id
            attempt.join(WAIT_S)
            assert not attempt.is_alive(), "the attempt did not end"
        finally:
            for pid in self.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            attempt.join(WAIT_S)

    def record(self, job_id: str) -> JobRecord:
        record = self.jobs.get(job_id)
        assert record is not None
        return record

    def pids_of(self, job_id: str) -> list[int]:
        """The trainer and the process it has started, if any."""
        values = stored_epochs(self.jobs, job_id)[0].values
        return [int(pid) for name in ("pid", "helper") if (pid := values[name])]

    def files(self) -> list[str]:
        """Every file in the artifact store, including staged ones."""
        return sorted(path.name for path in files_in(self.folder))

    def statuses(self, job_id: str) -> list[JobStatus | None]:
        return [event.after for event in self.jobs.events(job_id) if event.type == "status"]


@pytest.fixture(scope="session")
def context() -> ForkServerContext:
    """The real forkserver, with everything trainers need except the engine.

    A process has only one, so it also imports what the tests of failpoints run.
    """
    forkserver = Forkserver(("worker.trainer.child", "tests.integration.failpoints.processes"))
    forkserver.wait_until_warm()
    return forkserver.context


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(
        home=tmp_path,
        heartbeat_s=0.1,
        lease_s=20.0,
        progress_interval_s=0.05,
        cancel_grace_s=2.0,
    )


@pytest.fixture
def house(context: ForkServerContext, settings: WorkerSettings, tmp_path: Path) -> Iterator[House]:
    database = Database(settings.database_url.get_secret_value())
    database.migrate()
    artifacts = LocalArtifacts(settings.artifacts_dir)
    supervisor = Supervisor(
        leases=LeaseStore(database, crash_cap=settings.crash_cap),
        artifacts=artifacts,
        settings=settings,
        drain=Drain(),
        context=context,
        owner="test",
        engine=stub_engine.train,
    )
    yield House(supervisor, database, settings.artifacts_dir)
    supervisor.drain.start()
    database.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    with Mlflow(tmp_path_factory.mktemp("mlflow")) as started:
        yield started


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return f"regularization/{request.node.name}"


@pytest.fixture
def client(server: Mlflow, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setitem(os.environ, "MLFLOW_DISABLE_TELEMETRY", "true")
    return MlflowClient(tracking_uri=server.url)
