"""The signal that the worker is shutting down."""

import threading
from multiprocessing.connection import wait

from worker.drain import Drain


def test_no_waiter_wakes_before_the_start() -> None:
    drain = Drain()
    assert not drain.started
    assert not drain.wait(0.01)


def test_all_waiters_wake_and_later_waits_return_at_once() -> None:
    drain = Drain()
    woken = threading.Barrier(3, timeout=10)

    def sleep() -> None:
        assert drain.wait(10)
        woken.wait()

    threads = [threading.Thread(target=sleep) for _ in range(2)]
    for thread in threads:
        thread.start()
    drain.start()
    drain.start()
    woken.wait()
    for thread in threads:
        thread.join()
    assert drain.started
    assert wait([drain.fileno()], 0)
