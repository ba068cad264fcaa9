"""Attempts wait until the store of files is known to be this database's."""

import threading
from collections.abc import Iterator

import pytest

from ridgeline.storage.ownership import Ownership
from worker.drain import Drain
from worker.slots.slots import Slot
from worker.supervision.stores import OwnStore

WAIT_S = 30.0
SLOT = Slot("cpu:0", "-1")


class Hanging(Ownership):
    """Checks a store that does not respond before it is released."""

    def __init__(self) -> None:
        self.checked = threading.Event()
        self.released = threading.Event()

    def confirm(self) -> None:
        self.checked.set()
        assert self.released.wait(WAIT_S)


class StubSupervisor:
    """Counts the attempts."""

    def __init__(self) -> None:
        self.attempts = 0

    def supervise(self, job_id: str, slot: Slot) -> None:
        self.attempts += 1

    def supervise_next(self, slot: Slot) -> bool:
        self.attempts += 1
        return True


@pytest.fixture
def ownership() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.released.set()


def test_shutdown_does_not_wait_for_a_store_that_hangs(
    ownership: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.supervision.stores.IN_DRAIN_S", 0.05)
    drain, supervisor = Drain(), StubSupervisor()
    store = OwnStore(supervisor, ownership, drain, end=lambda: None)
    slot = threading.Thread(target=store.supervise_next, args=(SLOT,), daemon=True)
    slot.start()
    assert ownership.checked.wait(WAIT_S)
    drain.start()
    slot.join(WAIT_S / 2)
    assert not slot.is_alive()
    assert supervisor.attempts == 0


def test_attempts_start_once_the_store_responds(ownership: Hanging) -> None:
    supervisor = StubSupervisor()
    store = OwnStore(supervisor, ownership, Drain(), end=lambda: None)
    ownership.released.set()
    assert store.supervise_next(SLOT)
    store.supervise("job_x", SLOT)
    assert supervisor.attempts == 2
