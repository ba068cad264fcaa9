"""Celery's thread pool, which takes a message when a slot is free, and as soon as one is."""

from concurrent.futures import Future
from typing import Any

from celery import Celery
from celery.concurrency.thread import TaskPool
from kombu.asynchronous.hub import Hub

from worker.slots.slots import SlotPool


class SlotPoolApp(Celery):
    """A Celery application whose worker shares its slots with others."""

    slots: SlotPool


class WakingPool(TaskPool):
    """Wakes Celery's event loop when a thread or a slot becomes free.

    With `worker_disable_prefetch` the loop takes nothing while all threads are busy, and it looks
    at them again only when something wakes it: without this, up to a second later.
    """

    app: SlotPoolApp
    _hub: Hub | None = None

    @property
    def num_processes(self) -> int:
        """How many messages may be taken at once: a hint that finds no slot would be lost."""
        return self.app.slots.for_hints

    def register_with_event_loop(self, loop: Hub) -> None:
        """Remember the loop that is to be woken."""
        self._hub = loop
        self.app.slots.when_free(self._wake)

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: "Future[Any] | None" = None) -> None:
        if self._hub is not None:
            self._hub.call_soon(_nothing)  # thread-safe, and wakes the loop


def _nothing() -> None:
    """Nothing: being called is the point."""
