"""The word that the worker shuts down."""

import threading
from multiprocessing.connection import wait

from worker.drain import Drain


def test_nobody_is_woken_before_it_starts() -> None:
    drain = Drain()
    assert not drain.started
    assert not drain.wait(0.01)


def test_everybody_is_woken_and_stays_awake() -> None:
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
