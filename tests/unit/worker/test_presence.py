"""A worker reports each change of its state, and its presence in between."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ridgeline.api.worker import WorkerState
from ridgeline.storage import Database, DatabaseUnavailable, NewWorker, WorkerStore
from worker.drain import Drain
from worker.presence import Presence

ME = NewWorker(id="me", host="here", pid=1, slots=("cpu:0",), version="1")
NEVER = 3600.0


class Store(WorkerStore):
    """A store whose database can be away, or fail."""

    fault: Exception | None = None
    reports = 0

    def report(self, worker: NewWorker, state: WorkerState) -> None:
        self.reports += 1
        if self.fault:
            raise self.fault
        super().report(worker, state)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path}/records.db")
    database.migrate()
    yield Store(database)
    database.close()


def state(store: Store) -> WorkerState | None:
    return next((worker.state for worker in store.list()), None)


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_every_change_of_state_is_reported_at_once(store: Store) -> None:
    drain = Drain()
    with Presence(store, ME, drain, NEVER) as presence:
        eventually(lambda: state(store) is WorkerState.STARTING)
        presence.ready()
        eventually(lambda: state(store) is WorkerState.READY)
        drain.start()
        eventually(lambda: state(store) is WorkerState.DRAINING)
    assert state(store) is WorkerState.GONE


@pytest.mark.parametrize("fault", [DatabaseUnavailable("away"), ZeroDivisionError()])
def test_reports_continue_after_a_database_error(store: Store, fault: Exception) -> None:
    store.fault = fault
    with Presence(store, ME, Drain(), 0.005) as presence:
        presence.ready()
        eventually(lambda: store.reports > 5)
        store.fault = None
        eventually(lambda: state(store) is WorkerState.READY)
        seen = store.list()[0].seen_at
        eventually(lambda: store.list()[0].seen_at > seen)
