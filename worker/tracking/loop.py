"""Brings jobs to MLflow from a thread of its own: no training ever waits for that server."""

import threading
from collections.abc import Callable
from typing import Self

from ridgeline.storage import JobStore, TrackingStore

_END_S = 5.0


class Tracking:
    """Tells of the jobs that are tracked; as a context manager, while the block lasts.

    The records are read, not the trainers, and they hold what was told: what could not be while the
    server was away, or when a worker was killed, is told later, by any worker that tracks.
    `interval_s` lies between two rounds; `redact` takes secrets out of what is logged.
    """

    def __init__(
        self,
        jobs: JobStore,
        tracked: TrackingStore,
        url: str,
        experiment: str,
        interval_s: float = 2.0,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._jobs = jobs
        self._tracked = tracked
        self._url = url
        self._experiment = experiment
        self._interval_s = interval_s
        self._redact = redact
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_END_S)

    def _run(self) -> None:
        # Imported here: it takes more than a second, and most workers do without.
        from worker.tracking.rounds import Rounds  # noqa: PLC0415

        rounds = Rounds(
            self._jobs, self._tracked, self._url, self._experiment, self._interval_s, self._redact
        )
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            pause_s = 0.0 if rounds.take() else self._interval_s
        rounds.take()
        rounds.end()
