"""One cluster of real processes that the fault tests break and repair, with helpers to query it."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import EndCode, JobStatus
from ridgeline.storage import EventType, JobRecord, JobStore
from tests.rig.cluster import Cluster
from tests.rig.process import files_in, poll
from tests.rig.stored import stored_epochs
from tests.rig.work import Work
from tests.rig.workers import Worker

END_S = 80.0
CLEAR_S = 10.0
_HURRY_S = 0.2
LEASE_S = 4.0
REAP_S = 0.25
SETTINGS = {
    "RIDGELINE_LEASE_S": str(LEASE_S),
    "RIDGELINE_HEARTBEAT_S": "0.3",
    "RIDGELINE_CANCEL_GRACE_S": "0.5",
    "RIDGELINE_REAP_INTERVAL_S": str(REAP_S),
    "RIDGELINE_SWEEP_INTERVAL_S": "0.25",
    "RIDGELINE_POLL_INTERVAL_S": "0.5",
    "RIDGELINE_HANG_TIMEOUT_S": "3",
    "RIDGELINE_HANG_FLOOR_S": "1.5",
}


class Deployment:
    """The cluster, with helpers to post jobs and query their state."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.jobs: JobStore = cluster.jobs()

    def post(self, work: Work, epochs: int, api: int = 0, **headers: str) -> str:
        """Post a job and return its id."""
        response = self.response(work, epochs, api, **headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def response(self, work: Work, epochs: int, api: int = 0, **headers: str) -> httpx.Response:
        """Post a job and return the response of the API."""
        url = f"{self.cluster.apis[api].url}/jobs"
        return httpx.post(url, json=work.spec(epochs), headers=headers, timeout=20, trust_env=False)

    def record(self, job_id: str) -> JobRecord:
        record = self.jobs.get(job_id)
        assert record is not None
        return record

    def at_epoch(self, job_id: str, epoch: int) -> JobRecord:
        """Wait until the job has trained `epoch` epochs and return its record."""

        def is_reached() -> bool:
            record = self.record(job_id)
            assert not record.status.terminal, record
            return record.progress_epoch >= epoch

        poll(f"epoch {epoch} of {job_id}", is_reached, END_S)
        return self.record(job_id)

    def at_checkpoint(self, job_id: str, epoch: int) -> JobRecord:
        """Wait until a checkpoint at `epoch` or later is recorded and return the record."""

        def is_reached() -> bool:
            record = self.record(job_id)
            assert not record.status.terminal, record
            return record.checkpoint_epoch >= epoch and record.status is JobStatus.RUNNING

        poll(f"a checkpoint at epoch {epoch} of {job_id}", is_reached, END_S)
        return self.record(job_id)

    def ended(self, job_id: str, seconds: float = END_S) -> JobRecord:
        what = f"the end of {job_id}"
        poll(what, lambda: self.record(job_id).status.terminal, seconds, every_s=0.1)
        return self.record(job_id)

    def all_ended(self, job_ids: Sequence[str], seconds: float = END_S) -> list[JobRecord]:
        until = time.monotonic() + seconds
        return [self.ended(job_id, max(0.1, until - time.monotonic())) for job_id in job_ids]

    def holder(self, job_id: str) -> Worker:
        """The worker that holds the job."""
        owner = self.record(job_id).lease_owner
        assert owner is not None
        pid = int(owner.split(":")[1])
        (worker,) = (worker for worker in self.cluster.workers if worker.pid == pid)
        return worker

    def owners(self, job_id: str) -> list[str]:
        """The process ids of the workers that have had the job, in order."""
        return [attempt.worker_id.split(":")[1] for attempt in self.jobs.attempts(job_id)]

    def epochs(self, job_id: str) -> list[int]:
        """The stored epochs, in order."""
        return [row.epoch for row in stored_epochs(self.jobs, job_id)]

    def trained_epochs(self, job_id: str, attempt: int) -> list[int]:
        """The epochs that the attempt trained itself, in order."""
        return [
            EpochRow.model_validate_json(event.payload).epoch
            for event in self.jobs.events(job_id)
            if event.type is EventType.EPOCH and event.attempt == attempt
        ]

    def end_count(self, job_id: str) -> int:
        """How many times the job has ended."""
        changes = [event for event in self.jobs.events(job_id) if event.type is EventType.STATUS]
        return sum(event.after is not None and event.after.terminal for event in changes)

    def files(self, job_id: str) -> list[Path]:
        """The job's files in the artifact store, staged or published."""
        return [path for path in files_in(self.cluster.artifacts) if job_id in str(path)]

    def is_whole(self, record: JobRecord, work: Work, epochs: int) -> None:
        """Assert that the job succeeded with every epoch once and every published byte right."""
        assert (record.status, record.reason_code) == (JobStatus.SUCCEEDED, EndCode.COMPLETED)
        assert self.epochs(record.id) == list(range(1, epochs + 1))
        assert self.end_count(record.id) == 1
        published = {
            file.name: (self.cluster.artifacts / file.key).read_bytes() for file in record.artifacts
        }
        assert published == work.files(epochs)
        for file in record.artifacts:
            assert hashlib.sha256(published[file.name]).hexdigest() == file.sha256
        self.is_cleared(record)

    def is_cleared(self, record: JobRecord) -> None:
        """Assert that only the published files of the job remain."""
        count = len(record.artifacts)  # the worker cleans up after the job has ended
        poll("the rest to be deleted", lambda: len(self.files(record.id)) == count, CLEAR_S)


@contextmanager
def no_backoff(deployment: Deployment) -> Iterator[None]:
    """Retry crashed jobs without backoff while the block runs, to save time."""
    done = threading.Event()

    def skip_backoff() -> None:
        with psycopg.connect(deployment.cluster.database_url, autocommit=True) as connection:
            while not done.wait(_HURRY_S):
                connection.execute("UPDATE jobs SET available_at = 0 WHERE status = 'queued'")
                connection.execute("UPDATE outbox SET available_at = 0")

    thread = threading.Thread(target=skip_backoff)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def another_worker(deployment: Deployment, name: str, **environment: str) -> Iterator[Worker]:
    """Run one more worker during the block; deployment.holder() covers it."""
    first = deployment.cluster.workers[0]
    worker = Worker(name, first.folder, first.environment)
    worker.environment |= environment
    deployment.cluster.workers.append(worker)
    try:
        worker.start()
        yield worker
    finally:
        deployment.cluster.workers.remove(worker)
        worker.close()


@contextmanager
def frozen(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Suspend the processes during the block (SIGSTOP)."""
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


def clock(offset: str) -> dict[str, str]:
    """The environment that shifts a process's clock by `offset`; empty without libfaketime."""
    spec = find_spec("libfaketime")
    if spec is None or spec.origin is None:
        return {}
    library = Path(spec.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return {"LD_PRELOAD": str(library), "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"}


_CLUSTER = pytest.StashKey[Cluster]()


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Cluster:
    """Two APIs and two workers with two slots each, on PostgreSQL.

    The clocks of one API and one worker are an hour off in every test. All tests of this folder
    share the cluster, which stops after the last of them: its short intervals keep a core busy.
    """
    folder: pytest.Dir = request.node.getparent(pytest.Dir)
    if _CLUSTER not in folder.stash:
        cluster = Cluster(
            apis_count=2,
            workers_count=2,
            slots=2,
            settings=SETTINGS,
            environments={"api-1": clock("+1h"), "worker-1": clock("-1h")},
        )
        stack = ExitStack()
        folder.stash[_CLUSTER] = stack.enter_context(cluster)
        stack.callback(folder.stash.__delitem__, _CLUSTER)
        folder.addfinalizer(stack.close)
    return folder.stash[_CLUSTER]


@pytest.fixture
def deployment(running: Cluster) -> Iterator[Deployment]:
    """The healthy cluster; jobs still running after the test are cancelled."""
    running.heal()
    deployment = Deployment(running)
    yield deployment
    running.heal()
    for record in deployment.jobs.list(limit=100).records:
        if not record.status.terminal:
            deployment.jobs.request_cancel(record.id)
