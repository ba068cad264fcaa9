"""The background loops."""

import logging
import threading
import time
from pathlib import Path

import pytest

from ridgeline.api.job import JobStatus
from ridgeline.storage import (
    Database,
    DatabaseUnavailable,
    JobStore,
    LeaseStore,
    LocalArtifacts,
    NewJob,
    Outbox,
    Reaped,
)
from service.janitor import Janitor, Leftovers, Reaper, Redispatch, Repeating, Sweep
from service.jobs.dispatch import BrokerUnavailable, NoBroker

LEASE_S = 30.0
JOB = NewJob(spec="{}", resolved="{}", epochs=1)


class Broker:
    """A broker that can be down."""

    def __init__(self) -> None:
        self.up = True
        self.sent: list[str] = []

    def send(self, job_id: str) -> None:
        if not self.up:
            raise BrokerUnavailable("away")
        self.sent.append(job_id)

    def waiting(self) -> int:
        if not self.up:
            raise BrokerUnavailable("away")
        return len(self.sent)


class Leases:
    """A lease store whose database can be down."""

    def __init__(self) -> None:
        self.up = True
        self.reaped = 0

    def ping(self) -> None:
        if not self.up:
            raise DatabaseUnavailable

    def reap(self, deadline_grace_s: float) -> list[Reaped]:
        assert deadline_grace_s == LEASE_S
        if not self.up:
            raise DatabaseUnavailable
        self.reaped += 1
        return [Reaped("job", JobStatus.QUEUED)]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/records.db")
    database.migrate()
    return database


def test_a_sweep_sends_everything_once(database: Database) -> None:
    jobs, broker = JobStore(database), Broker()
    created = [jobs.create(JOB).record.id for _ in range(230)]
    sweep = Sweep(Outbox(database), broker)
    assert [sweep() for _ in range(4)] == [True, True, False, False]
    assert broker.sent == created


def test_a_sweep_keeps_hints_that_the_broker_rejects_and_logs_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, broker = JobStore(database), Broker()
    created = jobs.create(JOB).record.id
    sweep = Sweep(Outbox(database), broker)
    broker.up = False
    sweep()
    jobs.create(JOB)
    sweep()
    assert broker.sent == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    broker.up = True
    assert {hint.job_id for hint in Outbox(database).pending_dispatches(hold_s=0)} == set()
    with database.write() as connection:  # as if the hold were over
        connection.exec_driver_sql("UPDATE outbox SET held_until = 0")
    sweep()
    assert created in broker.sent
    assert len(broker.sent) == 2


def test_the_reaper_waits_a_whole_lease_after_an_outage() -> None:
    now, leases = [1000.0], Leases()
    reaper = Reaper(leases, LEASE_S, 5, lambda: now[0], lambda: 0.0)  # type: ignore[arg-type]
    now[0] += LEASE_S
    reaper()
    assert leases.reaped == 1
    leases.up = False
    with pytest.raises(DatabaseUnavailable):
        reaper()
    leases.up = True
    now[0] += LEASE_S - 1
    reaper()
    assert leases.reaped == 1
    now[0] += 1
    reaper()
    assert leases.reaped == 2


def test_the_reaper_pings_the_database_while_it_waits() -> None:
    """Otherwise it would not notice when an outage longer than a lease has ended."""
    now, leases = [1000.0], Leases()
    reaper = Reaper(leases, LEASE_S, 5, lambda: now[0], lambda: now[0])  # type: ignore[arg-type]
    leases.up = False
    for _ in range(int(LEASE_S / 5) - 1):
        with pytest.raises(DatabaseUnavailable):
            reaper()
        now[0] += 5
    leases.up = True
    for _ in range(int(LEASE_S / 5) - 1):
        reaper()
        now[0] += 5
    assert leases.reaped == 0
    reaper()
    assert leases.reaped == 1


def test_the_reaper_waits_a_whole_lease_after_its_start() -> None:
    """An outage may have ended just before the process started."""
    now, leases = [1000.0], Leases()
    reaper = Reaper(leases, LEASE_S, 5, lambda: now[0], lambda: now[0])  # type: ignore[arg-type]
    for _ in range(3):
        reaper()
        now[0] += LEASE_S / 3
    assert leases.reaped == 0
    reaper()
    assert leases.reaped == 1


def test_the_reaper_waits_a_whole_lease_after_the_machine_slept() -> None:
    now, slept, leases = [0.0], [0.0], Leases()
    reaper = Reaper(
        leases,  # type: ignore[arg-type]
        LEASE_S,
        5,
        lambda: now[0],
        lambda: now[0] + slept[0],
    )

    def turns(seconds: float) -> None:
        for _ in range(int(seconds / 5)):
            now[0] += 5
            reaper()

    turns(LEASE_S)
    assert leases.reaped == 1
    slept[0] += 3600
    turns(LEASE_S)
    assert leases.reaped == 1
    turns(5)
    assert leases.reaped == 2


def test_the_reaper_may_be_slower_than_a_lease() -> None:
    now, leases = [0.0], Leases()
    reaper = Reaper(leases, LEASE_S, 60, lambda: now[0], lambda: now[0])  # type: ignore[arg-type]
    now[0] += 61
    reaper()
    assert leases.reaped == 1


def test_unread_hints_are_not_sent_again(database: Database) -> None:
    jobs, broker, outbox = JobStore(database), Broker(), Outbox(database)
    created = [jobs.create(JOB).record.id for _ in range(50)]
    sweep = Sweep(outbox, broker)
    redispatch = Redispatch(outbox, broker, sweep)
    for _ in range(5):
        sweep()
        a_minute_passes(database)
        redispatch()
    assert broker.sent == created
    del broker.sent[10:20]  # lost
    broker.up = False
    redispatch()  # while nobody can tell
    broker.up = True
    redispatch()
    assert len(broker.sent) == 50
    broker.sent.clear()
    a_minute_passes(database)
    redispatch()
    assert sorted(broker.sent) == created


def test_without_a_broker_the_outbox_is_emptied_and_nothing_is_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, broker, outbox = JobStore(database), NoBroker(), Outbox(database)
    jobs.create(JOB)
    sweep = Sweep(outbox, broker)
    redispatch = Redispatch(outbox, broker, sweep)
    sweep()
    a_minute_passes(database)
    redispatch()
    assert list(outbox.pending_dispatches(hold_s=0)) == []
    assert caplog.records == []


def a_minute_passes(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE jobs SET last_dispatched_at = last_dispatched_at - 60000"
        )


def test_checkpoints_of_ended_jobs_are_deleted(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, artifacts = JobStore(database), LocalArtifacts(tmp_path / "artifacts")
    leftovers = Leftovers(jobs, artifacts)
    leftovers()
    waiting, cancelled, deleted = (jobs.create(JOB).record.id for _ in range(3))
    for job_id in (waiting, cancelled, deleted):
        (artifacts.checkpoints(job_id) / "file").write_bytes(b"x")
    for job_id in (cancelled, deleted):
        jobs.request_cancel(job_id)
    jobs.delete(deleted)
    leftovers()
    assert len(artifacts.checkpointed()) == 3  # no attempt of this database has begun
    LeaseStore(database).claim(jobs.create(JOB).record.id, "worker")
    leftovers()
    assert artifacts.checkpointed() == [waiting]
    assert caplog.records == []


def test_checkpoints_that_cannot_be_deleted_block_no_others(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Store(LocalArtifacts):
        def discard_checkpoints(self, job_id: str) -> None:
            if job_id == "job_a":
                raise PermissionError(job_id)
            super().discard_checkpoints(job_id)

    artifacts = Store(tmp_path / "artifacts")
    for job_id in ("job_a", "job_b"):
        artifacts.checkpoints(job_id)
    jobs = JobStore(database)
    LeaseStore(database).claim(jobs.create(JOB).record.id, "worker")
    Leftovers(jobs, artifacts)()
    assert artifacts.checkpointed() == ["job_a"]
    assert "job_a" in caplog.text


def test_a_loop_survives_a_failing_step_and_wakes_at_once() -> None:
    turns, turned = [0], threading.Semaphore(0)

    def step() -> None:
        turns[0] += 1
        turned.release()
        if turns[0] == 1:
            raise DatabaseUnavailable
        if turns[0] == 2:
            raise RuntimeError("a bug")

    loop = Repeating("loop", step, interval_s=3600)
    janitor = Janitor(loop)
    janitor.start()
    for _ in range(4):
        assert turned.acquire(timeout=10)
        janitor.wake()
    janitor.stop()
    assert turns[0] >= 4


def test_an_outage_of_the_database_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    turns, enough = [0], threading.Event()

    def step() -> None:
        turns[0] += 1
        if turns[0] > 5:
            enough.set()
        elif turns[0] > 1:
            raise DatabaseUnavailable

    loop = Repeating("loop", step, interval_s=0.001)
    with caplog.at_level(logging.INFO, "service.janitor"):
        loop.start()
        assert enough.wait(10)
        loop.stop()
    messages = [record.message.partition(":")[0] for record in caplog.records]
    assert messages == ["loop is blocked", "loop works again"]


def test_a_loop_repeats_a_step_that_has_more_to_do() -> None:
    left, done = [5], threading.Event()

    def step() -> bool:
        left[0] -= 1
        if not left[0]:
            done.set()
        return left[0] > 0

    loop = Repeating("loop", step, interval_s=3600)
    loop.start()
    assert done.wait(10)
    loop.stop()
    assert left == [0]


def test_stopping_is_quick() -> None:
    loop = Repeating("loop", lambda: None, interval_s=3600, gap_s=3600)
    loop.start()
    stopper = threading.Thread(target=loop.stop)
    stopper.start()
    stopper.join(5)
    assert not stopper.is_alive()


def test_hanging_loops_share_the_time_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while a database or a bucket does not answer."""
    monkeypatch.setattr("service.janitor._STOP_S", 0.5)
    begun, answer = threading.Semaphore(0), threading.Event()

    def step() -> None:
        begun.release()
        answer.wait(60)

    janitor = Janitor(*(Repeating(f"loop {number}", step, 3600) for number in range(5)))
    janitor.start()
    assert all(begun.acquire(timeout=10) for _ in range(5))
    asked = time.monotonic()
    janitor.stop()
    assert 0.4 < time.monotonic() - asked < 1.5
    answer.set()
