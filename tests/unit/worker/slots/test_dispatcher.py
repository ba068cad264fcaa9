"""Which attempts a worker starts: on hints, and by polling the database."""

import threading
from collections.abc import Callable, Iterator

import pytest

from worker.drain import Drain
from worker.slots.dispatcher import Dispatcher
from worker.slots.slots import Slot, SlotPool

WAIT_S = 30.0


class Queue:
    """Stands in for the supervisor: its jobs run until they are released."""

    def __init__(self, waiting: int = 0) -> None:
        self.waiting = waiting
        self.polls = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self._lock = threading.Lock()

    def supervise(self, job_id: str, slot: Slot) -> None:
        self._run()

    def supervise_next(self, slot: Slot) -> bool:
        with self._lock:
            claimed = self.waiting > 0
            self.waiting -= claimed
        self.polls.release()
        if claimed:
            self._run()
        return claimed

    def _run(self) -> None:
        self.started.release()
        assert self.released.acquire(timeout=WAIT_S)


@pytest.fixture
def dispatcher() -> Iterator[Callable[..., Dispatcher]]:
    drains: list[tuple[Drain, Dispatcher, Queue]] = []

    def make(queue: Queue, slots: int = 1, poll_interval_s: float = WAIT_S) -> Dispatcher:
        drain = Drain()
        pool = SlotPool([Slot(f"cpu:{number}", "-1") for number in range(slots)])
        made = Dispatcher(queue, pool, drain, poll_interval_s)
        drains.append((drain, made, queue))
        made.start()
        return made

    yield make
    for drain, made, queue in drains:
        drain.start()
        queue.released.release(100)
        made.join()


Make = Callable[..., Dispatcher]


def test_all_queued_jobs_run_without_hints(dispatcher: Make) -> None:
    """And without waiting for the next poll, half a minute later."""
    queue = Queue(waiting=5)
    dispatcher(queue)
    for _ in range(5):
        assert queue.started.acquire(timeout=WAIT_S / 2)
        queue.released.release()
    assert not queue.started.acquire(blocking=False)


def test_every_slot_runs_a_job(dispatcher: Make) -> None:
    queue = Queue(waiting=3)
    dispatcher(queue, slots=2)
    for _ in range(2):
        assert queue.started.acquire(timeout=WAIT_S)
    assert queue.waiting == 1


def test_database_is_polled_periodically(dispatcher: Make) -> None:
    queue = Queue()
    dispatcher(queue, poll_interval_s=0.01)
    for _ in range(3):
        assert queue.polls.acquire(timeout=WAIT_S)
    queue.waiting = 1
    assert queue.started.acquire(timeout=WAIT_S)


def test_end_of_a_hinted_attempt_triggers_a_poll(dispatcher: Make) -> None:
    queue = Queue()
    made = dispatcher(queue)
    assert queue.polls.acquire(timeout=WAIT_S)
    hinted = threading.Thread(target=made.take_hint, args=("job_1",))
    hinted.start()
    assert queue.started.acquire(timeout=WAIT_S)
    queue.waiting = 1
    queue.released.release()
    assert queue.started.acquire(timeout=WAIT_S / 2)
    hinted.join()


def test_hint_is_dropped_while_a_polled_job_has_the_slot(dispatcher: Make) -> None:
    queue = Queue(waiting=1)
    made = dispatcher(queue)
    assert queue.started.acquire(timeout=WAIT_S)
    made.take_hint("job_1")  # returns at once
    assert not queue.started.acquire(blocking=False)


def test_polling_continues_after_an_error(dispatcher: Make) -> None:
    class Broken(Queue):
        def supervise_next(self, slot: Slot) -> bool:
            if self.polls.acquire(blocking=False):
                raise RuntimeError("this is logged")
            return super().supervise_next(slot)

    queue = Broken(waiting=1)
    queue.polls.release()
    dispatcher(queue, poll_interval_s=0.01)
    assert queue.started.acquire(timeout=WAIT_S)


def test_no_attempt_starts_during_a_shutdown() -> None:
    queue, drain = Queue(waiting=1), Drain()
    drain.start()
    made = Dispatcher(queue, SlotPool([Slot("cpu:0", "-1")]), drain, WAIT_S)
    made.start()
    made.take_hint("job_1")
    made.join()
    assert queue.waiting == 1


def test_join_waits_for_running_attempts(dispatcher: Make) -> None:
    queue = Queue(waiting=1)
    drain = Drain()
    made = Dispatcher(queue, SlotPool([Slot("cpu:0", "-1")]), drain, WAIT_S)
    made.start()
    assert queue.started.acquire(timeout=WAIT_S)
    drain.start()
    joined = threading.Thread(target=made.join)
    joined.start()
    joined.join(0.1)
    assert joined.is_alive()
    queue.released.release()
    joined.join(WAIT_S)
    assert not joined.is_alive()
