"""One cluster of real processes, which the tests of faults break and mend, and what they ask it."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
from tests.rig.process import poll
from tests.rig.work import Work
from tests.rig.workers import Worker

END_S = 40.0
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


class House:
    """The cluster, and the questions that a test asks it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.jobs: JobStore = cluster.jobs()

    def post(self, work: Work, epochs: int, api: int = 0, **headers: str) -> str:
        """Post a job; its id."""
        answer = self.answer(work, epochs, api, **headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def answer(self, work: Work, epochs: int, api: int = 0, **headers: str) -> httpx.Response:
        """What the API says to a POST."""
        url = f"{self.cluster.apis[api].url}/jobs"
        return httpx.post(url, json=work.spec(epochs), headers=headers, timeout=20, trust_env=False)

    def record(self, job_id: str) -> JobRecord:
        record = self.jobs.get(job_id)
        assert record is not None
        return record

    def at_epoch(self, job_id: str, epoch: int) -> JobRecord:
        """The job once it has trained so far."""

        def there() -> bool:
            record = self.record(job_id)
            assert not record.status.terminal, record
            return record.progress_epoch >= epoch

        poll(f"epoch {epoch} of {job_id}", there, END_S)
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
        return [attempt.owner.split(":")[1] for attempt in self.jobs.attempts(job_id)]

    def epochs(self, job_id: str) -> list[int]:
        """The epochs that are stored, in the order in which they are told."""
        return [row.epoch for row in self.jobs.epochs(job_id)]

    def told(self, job_id: str, attempt: int) -> list[int]:
        """The epochs that an attempt has trained itself."""
        return [
            EpochRow.model_validate_json(event.payload).epoch
            for event in self.jobs.events(job_id)
            if event.type is EventType.EPOCH and event.attempt == attempt
        ]

    def finishes(self, job_id: str) -> int:
        """How often the job has ended."""
        told = [event for event in self.jobs.events(job_id) if event.type is EventType.STATUS]
        return sum(event.after is not None and event.after.terminal for event in told)

    def files(self, job_id: str) -> list[Path]:
        """What lies in the artifact store under the job's name, staged or published."""
        found = self.cluster.artifacts.rglob("*")
        return [path for path in found if job_id in str(path) and path.is_file()]

    def is_whole(self, record: JobRecord, work: Work, epochs: int) -> None:
        """The job has succeeded as if nothing had been: every epoch once, every byte right."""
        assert (record.status, record.reason_code) == (JobStatus.SUCCEEDED, EndCode.COMPLETED)
        assert self.epochs(record.id) == list(range(1, epochs + 1))
        assert self.finishes(record.id) == 1
        published = {
            file.name: (self.cluster.artifacts / file.key).read_bytes() for file in record.artifacts
        }
        assert published == work.files(epochs)
        for file in record.artifacts:
            assert hashlib.sha256(published[file.name]).hexdigest() == file.sha256
        self.is_cleared(record)

    def is_cleared(self, record: JobRecord) -> None:
        """Nothing of the job lies there but what it has published."""
        count = len(record.artifacts)  # the worker clears up after the job has ended
        poll("the rest to be deleted", lambda: len(self.files(record.id)) == count, CLEAR_S)


@contextmanager
def no_backoff(house: House) -> Iterator[None]:
    """Let crashed jobs be tried again at once as long as the block runs: seconds are saved."""
    done = threading.Event()

    def hurry() -> None:
        with psycopg.connect(house.cluster.database_url, autocommit=True) as connection:
            while not done.wait(_HURRY_S):
                connection.execute("UPDATE jobs SET available_at = 0 WHERE status = 'queued'")
                connection.execute("UPDATE outbox SET available_at = 0")

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def another_worker(house: House, name: str, **environment: str) -> Iterator[Worker]:
    """One more worker, reached by house.holder() as well, as long as the block runs."""
    first = house.cluster.workers[0]
    worker = Worker(name, first.folder, first.environment)
    worker.environment |= environment
    house.cluster.workers.append(worker)
    try:
        worker.start()
        yield worker
    finally:
        house.cluster.workers.remove(worker)
        worker.close()


@contextmanager
def frozen(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Let processes stand still as long as the block runs."""
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


def clock(offset: str) -> dict[str, str]:
    """The environment of a machine whose clock is wrong by so much, where that can be had."""
    found = find_spec("libfaketime")
    if found is None or found.origin is None:
        return {}
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return {"LD_PRELOAD": str(library), "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture(scope="session")
def running() -> Iterator[Cluster]:
    """Two APIs and two workers of two slots each, on PostgreSQL.

    The clocks of one API and one worker are wrong by an hour, for every fault to meet it.
    """
    with Cluster(
        apis_count=2,
        workers_count=2,
        slots=2,
        settings=SETTINGS,
        environments={"api-1": clock("+1h"), "worker-1": clock("-1h")},
    ) as cluster:
        yield cluster


@pytest.fixture
def house(running: Cluster) -> Iterator[House]:
    """The cluster in good order; what a test leaves running ends with it."""
    running.heal()
    house = House(running)
    yield house
    running.heal()
    for record in house.jobs.list(limit=100).records:
        if not record.status.terminal:
            house.jobs.request_cancel(record.id)
