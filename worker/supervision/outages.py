"""Waiting for a database or a store that is away, without losing the job or delaying a shutdown.

While the database is away no other worker can claim the job either, so an attempt can wait. While a
store is away, `beating` keeps the lease.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import structlog

from ridgeline.api.job import JobStatus
from ridgeline.storage import ArtifactsUnavailable, Claim, DatabaseUnavailable, LeaseStore
from worker.drain import Drain
from worker.settings import WorkerSettings

PATIENCE_S = 300.0
RETRY_S = 0.5
IN_DRAIN_S = 5.0
_TICK_S = 0.1

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True)
class Patience:
    """Retries calls that fail because the database or the artifact store is away."""

    drain: Drain
    limit_s: float = PATIENCE_S
    """How long a worker continues without the database."""

    def __call__(self, call: Callable[[], T]) -> T:
        """Call until it succeeds; after `limit_s`, raise its last error.

        A worker that is shutting down waits IN_DRAIN_S at most: the reaper requeues the job.

        Raises:
            ArtifactsUnavailable, DatabaseUnavailable: If the outage lasts longer.
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


class Unwanted(Exception):
    """The job was cancelled or reclaimed while this worker waited for the artifact store."""


@contextmanager
def beating(
    leases: LeaseStore, claim: Claim, settings: WorkerSettings
) -> Iterator[threading.Event]:
    """Renew the lease during the block: publishing gigabytes takes longer than a lease lasts.

    Yields an event that is set once the job is cancelled or lost.
    """
    done, unwanted = threading.Event(), threading.Event()

    def beat() -> None:
        while not done.wait(settings.heartbeat_s):
            with suppress(DatabaseUnavailable):
                answer = leases.heartbeat(claim, settings.lease_s)
                if answer is None or answer.status is JobStatus.CANCELLING:
                    unwanted.set()

    thread = threading.Thread(target=beat, name=f"heartbeat-{claim.job_id}", daemon=True)
    thread.start()
    try:
        yield unwanted
    finally:
        done.set()
        thread.join()


def if_wanted(unwanted: threading.Event, call: Callable[[], T]) -> T:
    """The result of `call`; raises Unwanted instead if the event is set."""
    if unwanted.is_set():
        raise Unwanted
    return call()


def in_time(call: Callable[[], T], drain: Drain, grace_s: float) -> T:
    """The result of `call`, made in a thread that can be abandoned.

    Raises ArtifactsUnavailable if it is not done `grace_s` after the shutdown started.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - re-raised in the waiting thread
            future.set_exception(error)

    # A daemon, and with the attempt's log tags.
    thread = threading.Thread(target=copy_context().run, args=(run,), name="store", daemon=True)
    thread.start()
    wait_for(thread, drain, grace_s)
    if not future.done():
        raise ArtifactsUnavailable("The store did not respond before this worker had to shut down.")
    return future.result()


def wait_for(
    thread: threading.Thread,
    drain: Drain,
    grace_s: float,
    seconds: float = inf,
    unwanted: threading.Event | None = None,
) -> None:
    """Wait for a thread to end.

    Gives up after `seconds`, `grace_s` after the shutdown started, or once `unwanted` is set.
    """
    until = time.monotonic() + seconds
    while thread.is_alive() and (now := time.monotonic()) < until:
        if unwanted is not None and unwanted.is_set():
            return
        if drain.started:
            until = min(until, now + grace_s)
        thread.join(_TICK_S)
