"""Reports this worker and its state to the database."""

import threading
from multiprocessing.connection import wait
from typing import Self

import structlog

from ridgeline.api.worker import WorkerState
from ridgeline.storage import DatabaseUnavailable, NewWorker, WorkerStore
from worker.drain import Drain

_END_S = 5.0

log = structlog.get_logger()


class Presence:
    """Reports the worker every `interval_s` seconds from its own thread, so that nothing blocks.

    A context manager: the worker is `starting` on entry and `gone` on exit.
    """

    def __init__(
        self, store: WorkerStore, worker: NewWorker, drain: Drain, interval_s: float
    ) -> None:
        self._store = store
        self._worker = worker
        self._interval_s = interval_s
        self._drain = drain
        # One-shot flags as well, which can be waited on together with `drain`.
        self._ready = Drain()
        self._ended = Drain()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.start()
        self._thread.join(_END_S)

    def ready(self) -> None:
        """Report from now on that the worker accepts jobs."""
        self._ready.start()

    def _run(self) -> None:
        while not self._ended.started:
            # Listed before the state is read: any later change then ends the wait.
            flags = (self._ready, self._drain, self._ended)
            unset = [flag.fileno() for flag in flags if not flag.started]
            self._report(self._state())
            wait(unset, self._interval_s)
        self._report(WorkerState.GONE)

    def _state(self) -> WorkerState:
        if self._drain.started:
            return WorkerState.DRAINING
        return WorkerState.READY if self._ready.started else WorkerState.STARTING

    def _report(self, state: WorkerState) -> None:
        try:
            self._store.report(self._worker, state)
        except DatabaseUnavailable:  # logged by the attempts already
            return
        except Exception:
            if not self._failing:
                log.exception("presence_unknown")
            self._failing = True
        else:
            self._failing = False
