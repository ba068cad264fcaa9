"""Production code that runs in its own process, to be killed at a failpoint."""

import threading
import time
from collections.abc import Callable
from itertools import chain, repeat
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from starlette.testclient import TestClient

from ridgeline.failpoints import VARIABLE, switch_on
from ridgeline.storage import Database, JobStore, LeaseStore, LocalArtifacts, NewJob, Outbox
from ridgeline.storage.files.datasets import (
    DatasetStore,
    UploadStore,
    open_datasets,
)
from ridgeline.storage.files.garbage import ArtifactGarbage, DatasetGarbage
from service.http.documentation import IRIS
from service.janitor import Leftovers, Reaper, Redispatch, Sweep
from service.jobs.dispatch import CeleryDispatch
from service.main import create_app
from service.settings import Settings
from tests.integration.worker import stub_engine
from tests.rig.stored import stored_epochs
from worker.drain import Drain
from worker.settings import WorkerSettings
from worker.slots.slots import Slot
from worker.supervision.supervisor import Supervisor
from worker.trainer.logs import configure_logs

EPOCHS = 5


class Home(NamedTuple):
    """The shared locations of the processes of one test."""

    path: Path
    broker: str
    artifacts: Path | None = None
    """Default: in `path`."""
    database_url: str | None = None
    """Default: SQLite in `path`."""

    @property
    def api(self) -> Settings:
        return Settings.model_validate({"redis_url": self.broker, **self._places()})

    @property
    def worker(self) -> WorkerSettings:
        return WorkerSettings.model_validate(
            {
                "heartbeat_s": 0.1,
                "lease_s": 20.0,
                "progress_interval_s": 0.05,
                "cancel_grace_s": 2.0,
                "checkpoint_interval_s": 0.0,
                **self._places(),
            }
        )

    def database(self) -> Database:
        return Database(self.worker.database_url.get_secret_value())

    def _places(self) -> dict[str, Path | str]:
        """The settings that differ from the default."""
        values = {
            "home": self.path,
            "artifacts_dir": self.artifacts,
            "database_url": self.database_url,
        }
        return {name: value for name, value in values.items() if value is not None}


class FailingSlot(Slot):
    """A slot named after a failpoint, which the stub engine switches on in its trainers."""

    __slots__ = ()

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, VARIABLE: self.name}


def under(failpoint: str | None, body: Callable[..., None], *arguments: Any) -> None:
    """Run `body` in this process, with or without a failpoint."""
    if failpoint is not None:
        switch_on(failpoint)
    body(*arguments)


def request(home: Home, method: str, path: str, key: str | None = None) -> None:
    """Send one request through the application."""
    spec = {**IRIS, "name": "keep_all", "training": {**IRIS["training"], "epochs": EPOCHS}}
    headers = {} if key is None else {"Idempotency-Key": key}
    with TestClient(create_app(home.api), raise_server_exceptions=False) as client:
        client.request(method, path, json=spec if method == "POST" else None, headers=headers)


def send(home: Home, method: str, path: str, *bodies: bytes) -> None:
    """Send one request per body, or one without a body, through the application.

    `{}` in the path becomes the number of the body.
    """
    with TestClient(create_app(home.api), raise_server_exceptions=False) as client:
        for number, body in enumerate(bodies or (b"",), start=1):
            client.request(method, path.format(number), content=body)


def attempt(
    home: Home, job_id: str, in_trainer: str | None = None, command: str | None = None
) -> None:
    """Run one attempt at the job, in a trainer from the test session's forkserver.

    After the first epoch, `command` "drain" stops the worker and "pause" pauses the job.
    """
    # The forkserver is the parent's: this process must neither start one nor wait for it.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    configure_logs()
    database, settings = home.database(), home.worker
    supervisor = Supervisor(
        leases=LeaseStore(database, crash_cap=settings.crash_cap),
        artifacts=LocalArtifacts(settings.artifacts_dir),
        settings=settings,
        drain=Drain(),
        context=get_context("forkserver"),
        owner="test",
        engine=stub_engine.train,
    )
    if command is not None:
        sender = threading.Thread(
            target=_send_command,
            args=(supervisor, JobStore(database), job_id, command),
            daemon=True,
        )
        sender.start()
    slot = Slot("cpu:0", "-1") if in_trainer is None else FailingSlot(in_trainer, "-1")
    supervisor.supervise(job_id, slot)


def _send_command(supervisor: Supervisor, jobs: JobStore, job_id: str, command: str) -> None:
    while not stored_epochs(jobs, job_id):
        threading.Event().wait(0.01)
    if command == "drain":
        supervisor.drain.start()
    else:
        jobs.request_pause(job_id)


def create_jobs(home: Home, pipe: Connection, threads: int, jobs: int) -> None:
    """Store jobs from many threads; send the id of every durable job, or the error, to the pipe."""
    store, lock = JobStore(home.database()), threading.Lock()

    def create() -> None:
        for _ in range(jobs):
            try:
                message = store.create(NewJob(spec="{}", resolved="{}", epochs=1)).record.id
            except Exception as error:  # noqa: BLE001 - every error is reported
                message = repr(error)
            with lock:
                pipe.send_bytes(message.encode())

    writers = [threading.Thread(target=create) for _ in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


def sweep(home: Home) -> None:
    """Run the janitor's sweep once."""
    Sweep(Outbox(home.database()), CeleryDispatch(home.broker))()


def redispatch(home: Home) -> None:
    """Run the janitor's redispatch once."""
    outbox, dispatch = Outbox(home.database()), CeleryDispatch(home.broker)
    Redispatch(outbox, dispatch, lambda: None)()


def reap(home: Home) -> None:
    """Run the reaper once, a lease after its start."""
    settings = home.worker
    ticks = chain([0.0], repeat(settings.lease_s))
    reaper = Reaper(LeaseStore(home.database()), settings.lease_s, 5.0, clock=lambda: next(ticks))
    reaper()


def leftovers(home: Home) -> None:
    """Delete the checkpoints of ended jobs, as the janitor does."""
    Leftovers(JobStore(home.database()), LocalArtifacts(home.worker.artifacts_dir))()


def collect_garbage(home: Home) -> None:
    """Delete old files without a job, as the janitor does."""
    age_s = home.api.garbage_age_s
    artifacts = LocalArtifacts(home.worker.artifacts_dir)
    ArtifactGarbage(JobStore(home.database()), artifacts, age_s, lambda: time.time() + 2 * age_s)()


def collect_datasets(home: Home) -> None:
    """Delete old files without a data set, as the janitor does."""
    database, age_s = home.database(), home.api.garbage_age_s
    DatasetGarbage(
        DatasetStore(database),
        UploadStore(database, home.api.upload_keep_s),
        open_datasets(home.api),
        age_s,
        lambda: time.time() + 2 * age_s,
    )()


def tidy(home: Home) -> None:
    """Delete leftover checkpoints and garbage."""
    leftovers(home)
    collect_garbage(home)


def request_change(home: Home, job_id: str, action: str) -> None:
    """Request "cancel", "pause" or "resume" for a job, as the API does."""
    store = JobStore(home.database())
    requests = {
        "cancel": store.request_cancel,
        "pause": store.request_pause,
        "resume": store.request_resume,
    }
    requests[action](job_id)
