"""Patience with a database that is away: without it nobody else can take the job either.

And with an artifact store, for as long as the lease is kept.


Calls that take as long as a network takes, in a worker that must end in time.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import structlog

from ridgeline.storage import ArtifactsUnavailable, DatabaseUnavailable
from worker.drain import Drain

PATIENCE_S = 300.0


RETRY_S = 0.5


IN_DRAIN_S = 5.0


T = TypeVar("T")


log = structlog.get_logger()


_TICK_S = 0.1


@dataclass(frozen=True)
class Patience:
    """Repeats what the database or the artifact store did not answer."""

    drain: Drain
    limit_s: float = PATIENCE_S
    """How long a worker goes on without the database."""

    def __call__(self, call: Callable[[], T]) -> T:
        """Call until it answers; raises its DatabaseUnavailable or ArtifactsUnavailable in the end.

        A worker that shuts down cannot wait for long: the reaper will take the job.
        """
        started = time.monotonic()
        while True:
            try:
                return call()
            except (ArtifactsUnavailable, DatabaseUnavailable) as error:
                limit = min(self.limit_s, IN_DRAIN_S) if self.drain.started else self.limit_s
                if time.monotonic() - started >= limit:
                    raise
                database = isinstance(error, DatabaseUnavailable)
                log.warning("database_away" if database else "artifacts_away", error=str(error))
            if self.drain.started:
                time.sleep(RETRY_S)
            else:
                self.drain.wait(RETRY_S)


def in_time(call: Callable[[], T], drain: Drain, grace_s: float) -> T:
    """What `call` gives, which a thread makes, so that it can be left behind.

    Raises ArtifactsUnavailable when it has not ended `grace_s` after this worker was told to end.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            future.set_exception(error)

    # A daemon, and with the attempt's log tags.
    thread = threading.Thread(target=copy_context().run, args=(run,), name="store", daemon=True)
    thread.start()
    wait_for(thread, drain, grace_s)
    if not future.done():
        raise ArtifactsUnavailable("It did not answer before this worker had to end.")
    return future.result()


def wait_for(
    thread: threading.Thread,
    drain: Drain,
    grace_s: float,
    seconds: float = inf,
    unwanted: threading.Event | None = None,
) -> None:
    """Wait for a thread's end: `seconds`, or `grace_s` from when this worker was told to end.

    And no longer once `unwanted` is set.
    """
    until = time.monotonic() + seconds
    while thread.is_alive() and (now := time.monotonic()) < until:
        if unwanted is not None and unwanted.is_set():
            return
        if drain.started:
            until = min(until, now + grace_s)
        thread.join(_TICK_S)
