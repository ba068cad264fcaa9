"""Celery's thread pool, which takes the next message as soon as an attempt has ended."""

from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import TaskPool
from kombu.asynchronous.hub import Hub


class WakingPool(TaskPool):
    """Wakes Celery's event loop when a thread becomes free.

    With `worker_disable_prefetch` the loop takes nothing while all threads are busy, and it looks
    at them again only when something wakes it: without this, up to a second later.
    """

    _hub: Hub | None = None

    def register_with_event_loop(self, loop: Hub) -> None:
        """Remember the loop that is to be woken."""
        self._hub = loop

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: "Future[Any]") -> None:
        if self._hub is not None:
            self._hub.call_soon(_nothing)  # thread-safe, and wakes the loop


def _nothing() -> None:
    """Nothing: being called is the point."""
