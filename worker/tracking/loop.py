"""Logs jobs to MLflow from its own thread, in rounds, so that no training waits for that server."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import structlog

from ridgeline.storage import JobRecord, JobStore, StorageError, TrackedJob, TrackingStore

if TYPE_CHECKING:
    from mlflow.entities import Run

    from worker.tracking.runs import Runs

_JOIN_S = 5.0
_JOBS = 200
"""The most jobs in a round."""
_EVENTS = 100
"""How many events are logged before the position is noted."""
_PAGES = 10
"""How many such pages are logged before other jobs get their turn."""
_REJECTIONS = 2
"""After so many in a row a job is tried rarely; the first may be due to a stale cache."""
_REJECTED_S = 600.0
_MAX_AWAY_S = 60.0
_DOUBLINGS = 10
_MAX_REASON = 300

log = structlog.get_logger()


class Tracking:
    """Logs the tracked jobs; a context manager that runs while the block lasts.

    It reads the records, not the trainers. The records also hold what was logged so far: whatever
    is missing because the server was away or a worker was killed is logged later, by any worker
    that tracks. `interval_s` is the pause between two rounds; `redact` removes secrets from what
    goes into the worker's log.
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
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        # Imported here because it takes more than a second, and most workers track nothing.
        from worker.tracking.runs import Runs  # noqa: PLC0415

        rounds = Rounds(
            self._jobs,
            self._tracked,
            Runs(self._url),
            self._experiment,
            self._interval_s,
            self._redact,
        )
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            pause_s = 0.0 if rounds.run() else self._interval_s
        rounds.run()
        rounds.end()


class Rounds:
    """The work of Tracking's thread; the arguments are those of Tracking."""

    def __init__(
        self,
        jobs: JobStore,
        tracked: TrackingStore,
        runs: "Runs",
        experiment: str,
        interval_s: float,
        redact: Callable[[str], str],
    ) -> None:
        self._jobs = jobs
        self._tracked = tracked
        self._runs = runs
        self._experiment = experiment
        self._interval_s = interval_s
        self._redact = redact
        self._failures: Counter[str] = Counter()
        self._adopted = False
        self._away = False

    def run(self) -> bool:
        """Log what is new of each tracked job; return whether there is more."""
        try:
            self._adopt()
            due = self._tracked.due(_JOBS)
            complete = [self._track(job_id) for job_id in due]
        except StorageError:  # logged by the attempts
            return False
        except Exception as error:  # noqa: BLE001 - no job may suffer, whatever the library raises
            self._runs.forget()  # a server that comes back may have lost its experiments
            if not self._away:
                because = self._reason(error)
                log.warning("mlflow_away", because=because, experiment=self._experiment)
            self._away = True
            return False
        if self._away:
            log.info("mlflow_back", experiment=self._experiment)
        self._away = False
        return len(due) == _JOBS or not all(complete)

    def end(self) -> None:
        """Release the jobs that this worker holds to other workers."""
        try:
            self._tracked.let_go()
        except StorageError:  # they are free anyway once the hold expires
            return

    def _adopt(self) -> None:
        """Track jobs that have open runs but no record, as an earlier release kept none.

        Runs of other installations are left alone: their jobs are not in this database.
        """
        if not self._adopted:
            self._tracked.adopt(self._runs.unfinished(self._experiment), self._experiment)
            self._adopted = True

    def _track(self, job_id: str) -> bool:
        """Log what is new of a job; False: there is more, but other jobs have their turn first."""
        job = self._tracked.take(job_id)
        if job is None:  # another worker was quicker
            return True
        try:
            complete = track(job, self._jobs, self._tracked, self._runs)
        except StorageError:
            raise
        except Exception as error:
            self._failures[job_id] += 1
            if not self._runs.rejected(error):
                self._tracked.put_off(job_id, self._delay_s(job_id))
                raise
            self._reject(job_id, error)
            return True
        del self._failures[job_id]
        return complete

    def _delay_s(self, job_id: str) -> float:
        """How long a job is postponed in favor of others: twice as long each time."""
        doublings = min(self._failures[job_id], _DOUBLINGS)
        return min(self._interval_s * 2.0**doublings, _MAX_AWAY_S)

    def _reject(self, job_id: str, error: Exception) -> None:
        """Retry once without cached ids, which the server may have lost; after that, rarely."""
        self._runs.forget()
        self._tracked.put_off(job_id, 0.0 if self._failures[job_id] < _REJECTIONS else _REJECTED_S)
        if self._failures[job_id] == _REJECTIONS:
            log.warning("mlflow_refused", job_id=job_id, because=self._reason(error))

    def _reason(self, error: Exception) -> str:
        return self._redact(f"{type(error).__name__}: {error}")[:_MAX_REASON]


def track(job: TrackedJob, jobs: JobStore, tracked: TrackingStore, runs: "Runs") -> bool:
    """Log what is new of a job that this worker holds; False: there is more.

    Stops if another worker holds the job. Raises MlflowException and StorageError.
    """
    record = jobs.get(job.job_id)
    if record is None:
        runs.abandon(job)
        tracked.strike_out(job.job_id)
        return True
    run = runs.find(job) or _create(job, record, tracked, runs)
    if run is None or not _log_events(run, record, jobs, tracked, runs):
        return run is None
    if record.status.terminal:
        runs.drop_duplicates(job, run)
        runs.end(run, record, _verdict(jobs, record))
        tracked.strike_out(job.job_id)
    return True


def _create(
    job: TrackedJob, record: JobRecord, tracked: TrackingStore, runs: "Runs"
) -> "Run | None":
    """A new run; None if another worker holds the job and creates one itself."""
    run = runs.create(job, record)
    if tracked.note(job.job_id, run.info.run_id, 0):
        return run
    runs.delete(run)
    return None


def _log_events(
    run: "Run", record: JobRecord, jobs: JobStore, tracked: TrackingStore, runs: "Runs"
) -> bool:
    """Log the job's new events; return whether the run is complete."""
    last = runs.last_event(run)
    if not last:  # its creator may have stopped right after creating it
        runs.describe(run, record)
    for _ in range(_PAGES):
        events = jobs.events(record.id, after=last, limit=_EVENTS)
        if events:
            runs.log_events(run, events)
            last = events[-1].id
        if not tracked.note(record.id, run.info.run_id, last):
            return False
        if len(events) < _EVENTS:
            return True
    return False


def _verdict(jobs: JobStore, record: JobRecord) -> str | None:
    report = jobs.report(record.id)
    return json.loads(report)["verdict"] if report else None
