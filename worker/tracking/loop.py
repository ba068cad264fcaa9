"""Brings jobs to MLflow from a thread of its own: no training ever waits for that server."""

import json
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from ridgeline.storage import JobRecord, JobStore, StorageError

if TYPE_CHECKING:
    from worker.tracking.runs import Runs

SWEEP_EVERY = 30
"""Rounds from one look for runs that nobody ended to the next."""
_PAGE = 500
_END_S = 5.0

log = structlog.get_logger()


class Tracking:
    """Follows the jobs of this worker; as a context manager, while the block lasts.

    The records are read, not the trainers: what could not be told while the server was away, or
    when a worker was killed, is told later, by any worker that tracks. `interval_s` lies between
    two rounds.
    """

    def __init__(self, jobs: JobStore, url: str, experiment: str, interval_s: float = 2.0) -> None:
        self._jobs = jobs
        self._url = url
        self._experiment = experiment
        self._interval_s = interval_s
        self._followed: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(_END_S)

    def follow(self, job_id: str) -> None:
        """Tell of a job from now on, until it has ended."""
        with self._lock:
            self._followed.add(job_id)

    def _run(self) -> None:
        # Imported here: it takes more than a second, and most workers do without.
        from worker.tracking.runs import Runs, prepare_environment  # noqa: PLC0415

        prepare_environment()
        runs, rounds = Runs(self._url, self._experiment), 0
        while True:
            last = self._ended.wait(self._interval_s if rounds else 0)
            self._round(runs, sweep=rounds % SWEEP_EVERY == 0 and not last)
            if last:
                return
            rounds += 1

    def _round(self, runs: "Runs", *, sweep: bool) -> None:
        with self._lock:
            followed = tuple(self._followed)
        try:
            for job_id in (*followed, *(runs.unfinished() if sweep else ())):
                self._bring(runs, job_id, only_ended=job_id not in followed)
        except StorageError:  # the attempts say that the database is away
            return
        except Exception as error:  # noqa: BLE001 - no job may suffer, whatever the library raises
            if not self._failing:
                log.warning(
                    "mlflow_away", because=type(error).__name__, experiment=self._experiment
                )
            self._failing = True
        else:
            self._failing = False

    def _bring(self, runs: "Runs", job_id: str, *, only_ended: bool) -> None:
        """Tell what is new of a job. Others' jobs matter only when they have ended untold."""
        record = self._jobs.get(job_id)
        if record is None:
            runs.abandon(job_id)
            self._forget(job_id)
            return
        if only_ended and not record.status.terminal:
            return
        while events := self._jobs.events(job_id, after=runs.last_event(record), limit=_PAGE):
            runs.tell(record, events)
        if record.status.terminal:
            runs.end(record, self._verdict(record))
        if record.lease_owner is None:
            self._forget(job_id)

    def _verdict(self, record: JobRecord) -> str | None:
        report = self._jobs.report(record.id)
        return json.loads(report)["verdict"] if report else None

    def _forget(self, job_id: str) -> None:
        """Stop following; another attempt of this worker says follow() again."""
        with self._lock:
            self._followed.discard(job_id)
