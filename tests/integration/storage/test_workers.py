"""The workers, as they report themselves or are lost."""

from collections.abc import Callable
from typing import Any

import pytest

from ridgeline.api.worker import WorkerState
from ridgeline.storage import Claim, Database, NewWorker, WorkerStore

ME = NewWorker(id="worker-1", host="here", pid=7, slots=("cpu:0", "cpu:1"), version="1.2.3")


@pytest.fixture
def workers(database: Database) -> WorkerStore:
    return WorkerStore(database)


def test_worker_is_listed_with_its_jobs(workers: WorkerStore, start: Callable[..., Claim]) -> None:
    claims = [start(), start()]
    workers.report(ME, WorkerState.STARTING)
    workers.report(ME, WorkerState.READY)
    (found,) = workers.list()
    assert (found.id, found.host, found.pid, found.version) == ("worker-1", "here", 7, "1.2.3")
    assert (found.slots, found.state) == (("cpu:0", "cpu:1"), WorkerState.READY)
    assert found.jobs == tuple(sorted(claim.job_id for claim in claims))
    assert found.started_at <= found.seen_at


def test_silent_worker_is_lost_unless_it_reported_its_end(
    workers: WorkerStore, sql: Callable[..., list[Any]]
) -> None:
    workers.report(ME, WorkerState.READY)
    workers.report(NewWorker(**{**vars(ME), "id": "worker-2"}), WorkerState.GONE)
    sql("UPDATE workers SET seen_at = seen_at - 31000")
    states = {worker.id: worker.state for worker in workers.list(lease_s=30)}
    assert states == {"worker-1": WorkerState.LOST, "worker-2": WorkerState.GONE}
    assert {worker.state for worker in workers.list(lease_s=60)} == {
        WorkerState.READY,
        WorkerState.GONE,
    }
    workers.report(ME, WorkerState.READY)
    assert {worker.state for worker in workers.list(lease_s=30)} == {
        WorkerState.READY,
        WorkerState.GONE,
    }


def test_old_workers_are_deleted(workers: WorkerStore, sql: Callable[..., list[Any]]) -> None:
    workers.report(ME, WorkerState.GONE)
    assert workers.forget() == 0
    sql("UPDATE workers SET seen_at = seen_at - 86401000")
    assert workers.forget() == 1
    assert workers.list() == []
    workers.report(ME, WorkerState.READY)  # one that comes back is known again
    assert len(workers.list()) == 1
