"""`python -m worker` with a real broker, a real store and the real engine."""

import hashlib
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery

from ridgeline.api.job import EndCode, JobStatus
from ridgeline.api.worker import WorkerState
from ridgeline.cli.local.redis_server import find_redis_server
from ridgeline.storage import Database, JobRecord, JobStore, LocalArtifacts, WorkerStore
from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK
from tests.integration.worker.conftest import eventually, new_job
from tests.rig.stored import stored_epochs
from worker.settings import WorkerSettings

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[3]
START_S = 90.0
JOB_S = 60.0


class Worker:
    """The worker under test, its broker and its records."""

    def __init__(self, home: Path, broker: str, socket: Path) -> None:
        self.settings = WorkerSettings.model_validate({"home": home, "redis_url": broker})
        self.home = home
        self.log = home / "worker.log"
        self.redis = redis.Redis(unix_socket_path=str(socket))
        self.app = Celery("sender", broker=broker, set_as_current=False)
        database = Database(self.settings.database_url.get_secret_value())
        database.migrate()
        self.jobs = JobStore(database)
        self.database = database
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RIDGELINE_HOME": str(home),
            "RIDGELINE_REDIS_URL": broker,
            "RIDGELINE_TRAINER_MEMORY_BYTES": str(3 * 2**29),
            "CUDA_VISIBLE_DEVICES": "",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker"], env=environment, stdout=log, stderr=log
            )

    def wait(self, condition: Callable[[], Any], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log_text()
            assert time.monotonic() < until, self.log_text()
            time.sleep(0.02)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def add(self, **changes: Any) -> str:
        return self.jobs.create(new_job(**changes)).record.id

    def send(self, *arguments: object, task: str = TRAIN_TASK) -> None:
        self.app.send_task(task, args=arguments, queue=TRAIN_QUEUE)

    def record(self, job_id: str) -> JobRecord:
        record = self.jobs.get(job_id)
        assert record is not None
        return record

    def ended(self, job_id: str) -> JobRecord:
        self.wait(lambda: self.record(job_id).status.terminal, JOB_S)
        return self.record(job_id)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.app.close()
        self.redis.close()
        self.database.close()


class Broker:
    """A private redis-server without persistence."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [find_redis_server(), "--port", "0", "--unixsocket", self.socket, "--save", ""],
            cwd=self.socket.parent,
            stdout=subprocess.DEVNULL,
        )
        eventually(self.socket.exists, "the broker")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    # Not in pytest's folder: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="ridgeline-") as folder:
        broker = Broker(Path(folder))
        try:
            yield broker
        finally:
            broker.stop()


@pytest.fixture(scope="module")
def worker(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that is ready. The tests below share it, in order; the last one stops it."""
    url = f"redis+socket://{broker.socket}"
    worker = Worker(tmp_path_factory.mktemp("worker"), url, broker.socket)
    try:
        worker.wait(lambda: " ready." in worker.log_text(), START_S)
        yield worker
    finally:
        worker.close()


def test_job_is_trained_and_published(worker: Worker) -> None:
    job_id = worker.add(epochs=4, outputs=["keras"])
    worker.send(job_id)
    job = worker.ended(job_id)
    assert job.status is JobStatus.SUCCEEDED, job.reason_detail
    assert [row.epoch for row in stored_epochs(worker.jobs, job_id)] == [1, 2, 3, 4]
    assert json.loads(job.metrics)["loss"] > 0
    store = LocalArtifacts(worker.settings.artifacts_dir)
    assert "model.keras" in [file.name for file in job.artifacts]
    for file in job.artifacts:
        content = store.path(file.key).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


class Exploit:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_invalid_messages_in_the_queue_are_dropped(worker: Worker, tmp_path: Path) -> None:
    unpickled = tmp_path / "unpickled"
    with worker.app.connection_for_write() as connection:
        connection.Producer().publish(
            pickle.dumps(Exploit(unpickled)),
            routing_key=TRAIN_QUEUE,
            content_type="application/x-python-serialize",
            content_encoding="binary",
            headers={"task": TRAIN_TASK, "id": "1"},
        )
    worker.send("job_1")
    worker.send()
    worker.send({"job": 1}, 2, 3)
    worker.send("rm -rf", task="unknown.task")
    for raw in (b"", b"\xff\xfe", b"not json", b"[1, 2]", b'{"body": "x"}', b'{"properties": {}}'):
        worker.redis.lpush(TRAIN_QUEUE, raw)
    job_id = worker.add(epochs=1)
    worker.send(job_id)
    worker.send(job_id)  # a duplicate hint
    assert worker.ended(job_id).status is JobStatus.SUCCEEDED
    assert worker.record(job_id).attempt == 1
    assert not unpickled.exists()
    assert worker.process.poll() is None


def test_next_job_starts_as_soon_as_the_last_has_ended(worker: Worker) -> None:
    """Celery's loop is woken: on its own it checks its threads about once a second."""
    job_ids = [worker.add(epochs=1, outputs=["weights"]) for _ in range(8)]
    for job_id in job_ids:
        worker.send(job_id)
    jobs = sorted((worker.ended(job_id) for job_id in job_ids), key=lambda job: str(job.started_at))
    for before, after in itertools.pairwise(jobs):
        assert before.finished_at is not None
        assert after.started_at is not None
        assert (after.started_at - before.finished_at).total_seconds() < 0.4


def test_log_is_json_and_has_every_transition(worker: Worker) -> None:
    lines = [json.loads(line) for line in worker.log_text().splitlines() if line.startswith("{")]
    attempts = [line for line in lines if line["event"] == "attempt_started"]
    assert attempts
    for attempt in attempts:
        events = [line["event"] for line in lines if line.get("job") == attempt["job"]]
        events = [event for event in events if event not in ("trainer_stderr", "hint_dropped")]
        assert events[:4] == ["transition", "attempt_started", "trainer_ended", "transition"]


def test_worker_is_listed(worker: Worker) -> None:
    (me,) = WorkerStore(worker.database).list()
    assert (me.pid, me.slots, me.state) == (worker.process.pid, ("cpu:0",), WorkerState.READY)


def test_worker_survives_an_outage_of_its_broker(worker: Worker, broker: Broker) -> None:
    """It continues to train without one, and receives hints again afterwards."""
    job_id = worker.add(epochs=400)
    worker.send(job_id)
    worker.wait(lambda: stored_epochs(worker.jobs, job_id), JOB_S)
    broker.stop()
    assert worker.ended(job_id).status is JobStatus.SUCCEEDED
    broker.start()
    job_id = worker.add(epochs=1)
    worker.send(job_id)
    assert worker.ended(job_id).status is JobStatus.SUCCEEDED


def test_network_larger_than_the_memory_limit_fails_with_out_of_memory(worker: Worker) -> None:
    """One of its matrices alone has 1.4 GB; the worker and other jobs are not affected."""
    dense = {"type": "Dense", "units": 18_500, "activation": "relu"}
    output = {"type": "Dense", "units": 3, "activation": "softmax"}
    job_id = worker.add(model={"layers": [dense, dense, output]})
    worker.send(job_id)
    job = worker.ended(job_id)
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.OUT_OF_MEMORY)
    assert job.attempt == 1


def test_supervisor_has_not_loaded_tensorflow(worker: Worker) -> None:
    """Even after a dozen jobs: only the forkserver and its trainers have its libraries."""
    assert len(worker.jobs.list([JobStatus.SUCCEEDED], limit=100).records) >= 12
    (forkserver,) = (
        child
        for child in psutil.Process(worker.process.pid).children()
        if "forkserver" in " ".join(child.cmdline())
    )
    assert "libtensorflow" in maps(forkserver.pid)
    assert "tensorflow" not in maps(worker.process.pid)


def maps(pid: int) -> str:
    """The files mapped into the memory of a process."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


def test_hints_are_not_acknowledged_in_redis(worker: Worker) -> None:
    """An acknowledgement that failed there would keep Celery from receiving further hints."""
    commands = worker.redis.info("commandstats")
    assert commands["cmdstat_brpop"]["calls"] > 0
    assert not {"cmdstat_hset", "cmdstat_zadd"} & commands.keys()


def test_sigterm_releases_the_running_job(worker: Worker) -> None:
    job_id = worker.add(epochs=100_000)
    worker.send(job_id)
    worker.wait(lambda: stored_epochs(worker.jobs, job_id), JOB_S)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    job = worker.record(job_id)
    assert (job.status, job.drain_count, job.crash_count) == (JobStatus.QUEUED, 1, 0)
    (me,) = WorkerStore(worker.database).list()
    assert (me.state, me.jobs) == (WorkerState.GONE, ())


#: A worker without engine and broker that gets the signal just before Celery starts.
SIGNALLED = """
import os, signal, sys
from worker import program
consume = program._consume
def consume_late(*arguments):
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])
    return consume(*arguments)
program._consume = consume_late
sys.exit(program.run(preload=()))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signal_before_celery_handles_it_starts_the_drain(tmp_path: Path, name: str) -> None:
    """A polled job may be running by then."""
    Database(f"sqlite:///{tmp_path / 'ridgeline.db'}").migrate()
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED, name],
        env={**os.environ, "RIDGELINE_REDIS_URL": "redis://127.0.0.1:1", **_at(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr


def test_sighup_drains(tmp_path: Path) -> None:
    """Celery would restart the program, whose environment has lost its credentials."""
    Database(f"sqlite:///{tmp_path / 'ridgeline.db'}").migrate()
    command = [sys.executable, "-c", SIGNALLED.replace("os.kill", "print"), "SIGHUP"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "RIDGELINE_REDIS_URL": "redis://127.0.0.1:1", **_at(tmp_path)},
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: "broker_away" in log.read_text(), "Celery")
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
        assert "Restarting" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def _at(home: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "RIDGELINE_HOME": str(home), "CUDA_VISIBLE_DEVICES": ""}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_worker_without_a_broker_polls_until_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    Database(f"sqlite:///{tmp_path / 'ridgeline.db'}").migrate()
    code = "import sys; from worker import program; sys.exit(program.run(preload=()))"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "RIDGELINE_REDIS_URL": "none", **_at(tmp_path)},
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: "no_broker" in log.read_text(), "the worker", START_S)
        time.sleep(2)  # in which a connection would be tried twice
        process.send_signal(number)
        assert process.wait(30) == 0
        lines = map(json.loads, log.read_text().splitlines())
        assert [line["event"] for line in lines if "logger" not in line] == [
            "trainers_warm",
            "no_broker",
        ]
    finally:
        process.kill()
        process.wait()


def test_invalid_setting_ends_the_worker_with_an_error(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "RIDGELINE_REDIS_URL": "amqp://:hunter2@x"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == os.EX_CONFIG
    assert "redis_url" in ended.stderr
    assert "hunter2" not in ended.stderr
