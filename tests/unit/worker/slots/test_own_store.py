"""Which attempts wait until it is known whose the store of files is."""

import threading
from collections.abc import Iterator

import pytest

from ridgeline.storage.ownership import Ownership
from worker.drain import Drain
from worker.slots.own_store import OwnStore
from worker.slots.slots import Slot

WAIT_S = 30.0
SLOT = Slot("cpu:0", "-1")


class Hanging(Ownership):
    """Asks a store that does not answer before it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def confirm(self) -> None:
        self.asked.set()
        assert self.let_go.wait(WAIT_S)


class Taken:
    """Stands in for the supervisor."""

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
    hanging.let_go.set()


def test_a_store_that_hangs_is_left_behind_by_a_worker_that_ends(
    ownership: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.slots.own_store.IN_DRAIN_S", 0.05)
    drain, taken = Drain(), Taken()
    store = OwnStore(taken, ownership, drain, end=lambda: None)
    slot = threading.Thread(target=store.supervise_next, args=(SLOT,), daemon=True)
    slot.start()
    assert ownership.asked.wait(WAIT_S)
    drain.start()
    slot.join(WAIT_S / 2)
    assert not slot.is_alive()
    assert taken.attempts == 0


def test_attempts_begin_once_it_answers(ownership: Hanging) -> None:
    taken = Taken()
    store = OwnStore(taken, ownership, Drain(), end=lambda: None)
    ownership.let_go.set()
    assert store.supervise_next(SLOT)
    store.supervise("job_x", SLOT)
    assert taken.attempts == 2
