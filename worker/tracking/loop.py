"""Brings jobs to MLflow from a thread of its own: no training ever waits for that server."""

import json
import threading
from collections.abc import Callable
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
_LONGEST_REASON = 300

log = structlog.get_logger()


class Tracking:
    """Follows the jobs of this worker; as a context manager, while the block lasts.

    The records are read, not the trainers: what could not be told while the server was away, or
    when a worker was killed, is told later, by any worker that tracks. `interval_s` lies between
    two rounds; `redact` takes secrets out of what the server's absence is logged with.
    """

    def __init__(
        self,
        jobs: JobStore,
        url: str,
        experiment: str,
        interval_s: float = 2.0,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._jobs = jobs
        self._url = url
        self._experiment = experiment
        self._interval_s = interval_s
        self._redact = redact
        self._followed: dict[str, int] = {}
        self._follows = 0
        self._refused: set[str] = set()
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
            self._follows += 1
            self._followed[job_id] = self._follows

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
            followed = dict(self._followed)
        try:
            for job_id, since in followed.items():
                self._bring(runs, job_id, since)
            for job_id in runs.unfinished() if sweep else ():
                if job_id not in followed:
                    self._bring(runs, job_id)
        except StorageError:  # the attempts say that the database is away
            return
        except Exception as error:  # noqa: BLE001 - no job may suffer, whatever the library raises
            runs.forget()  # a server that comes back may have lost them
            if not self._failing:
                because = self._reason(error)
                log.warning("mlflow_away", because=because, experiment=self._experiment)
            self._failing = True
            return
        if self._failing:
            log.info("mlflow_back", experiment=self._experiment)
        self._failing = False

    def _bring(self, runs: "Runs", job_id: str, since: int | None = None) -> None:
        """Tell what is new of a job, followed `since`; of others' only what has ended untold."""
        record = self._jobs.get(job_id)
        if record is None:
            # Of a job that was never seen here the run may be another installation's.
            if since is not None:
                runs.abandon(job_id)
                self._forget(runs, job_id, since)
            return
        if since is None and not record.status.terminal:
            return
        try:
            self._tell(runs, record)
        except Exception as error:
            if not runs.refused(error):
                raise
            self._tell_anew(runs, record)
        if record.lease_owner is None:
            self._forget(runs, job_id, since)

    def _tell_anew(self, runs: "Runs", record: JobRecord) -> None:
        """Try again without what is remembered: the server may have lost it since.

        A job that is refused again is passed over, for the other jobs' sake.
        """
        runs.forget()
        try:
            self._tell(runs, record)
        except Exception as error:
            if not runs.refused(error):
                raise
            if record.id not in self._refused:
                log.warning("mlflow_refused", job_id=record.id, because=self._reason(error))
            self._refused.add(record.id)

    def _tell(self, runs: "Runs", record: JobRecord) -> None:
        while events := self._jobs.events(record.id, after=runs.last_event(record), limit=_PAGE):
            runs.tell(record, events)
        if record.status.terminal:
            runs.end(record, self._verdict(record))

    def _reason(self, error: Exception) -> str:
        return self._redact(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]

    def _verdict(self, record: JobRecord) -> str | None:
        report = self._jobs.report(record.id)
        return json.loads(report)["verdict"] if report else None

    def _forget(self, runs: "Runs", job_id: str, since: int | None) -> None:
        """Stop following, unless another attempt of this worker said follow() since then."""
        runs.forget(job_id)  # by the next attempt another worker may have told more
        with self._lock:
            if self._followed.get(job_id) == since:
                self._followed.pop(job_id, None)
