"""Brings jobs to MLflow from a thread of its own: no training ever waits for that server.

Round after round of telling an MLflow server of the jobs, whatever it answers.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

import structlog

from ridgeline.storage import JobStore, StorageError, TrackingStore
from worker.tracking.runs import Runs, prepare_environment, tell

_END_S = 5.0


_JOBS = 200
"""How many jobs a round tells of at most, each once."""


_REFUSALS = 2
"""So many in a row, and the job is tried seldom: the first may be due to what was remembered."""


_REFUSED_S = 600.0


_LONGEST_AWAY_S = 60.0


_DOUBLINGS = 10


_LONGEST_REASON = 300


log = structlog.get_logger()


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
        from worker.tracking.loop import Rounds  # noqa: PLC0415

        rounds = Rounds(
            self._jobs, self._tracked, self._url, self._experiment, self._interval_s, self._redact
        )
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            pause_s = 0.0 if rounds.take() else self._interval_s
        rounds.take()
        rounds.end()


class Rounds:
    """What Tracking does in its thread; its arguments are those of that."""

    def __init__(
        self,
        jobs: JobStore,
        tracked: TrackingStore,
        url: str,
        experiment: str,
        interval_s: float,
        redact: Callable[[str], str],
    ) -> None:
        prepare_environment()
        self._jobs = jobs
        self._tracked = tracked
        self._runs = Runs(url)
        self._experiment = experiment
        self._interval_s = interval_s
        self._redact = redact
        self._failures: Counter[str] = Counter()
        self._adopted = False
        self._away = False

    def take(self) -> bool:
        """Tell of each job that there is something to tell of; whether there is more."""
        try:
            self._adopt()
            due = self._tracked.due(_JOBS)
            told = [self._bring(job_id) for job_id in due]
        except StorageError:  # the attempts say that the database is away
            return False
        except Exception as error:  # noqa: BLE001 - no job may suffer, whatever the library raises
            self._runs.forget()  # a server that comes back may have lost them
            if not self._away:
                because = self._reason(error)
                log.warning("mlflow_away", because=because, experiment=self._experiment)
            self._away = True
            return False
        if self._away:
            log.info("mlflow_back", experiment=self._experiment)
        self._away = False
        return len(due) == _JOBS or not all(told)

    def end(self) -> None:
        """Leave to other workers at once what this one holds."""
        try:
            self._tracked.let_go()
        except StorageError:  # it is theirs when the time to hold it is over
            return

    def _adopt(self) -> None:
        """Track jobs whose runs are open though no record says so: an earlier release kept none.

        Runs of other installations are left alone: their jobs are not in this database.
        """
        if not self._adopted:
            self._tracked.adopt(self._runs.unfinished(self._experiment), self._experiment)
            self._adopted = True

    def _bring(self, job_id: str) -> bool:
        """Tell what is new of a job; False: there is more, but others have their turn first."""
        job = self._tracked.take(job_id)
        if job is None:  # another worker was quicker
            return True
        try:
            complete = tell(job, self._jobs, self._tracked, self._runs)
        except StorageError:
            raise
        except Exception as error:
            self._failures[job_id] += 1
            if not self._runs.refused(error):
                self._tracked.put_off(job_id, self._patience_s(job_id))
                raise
            self._refused(job_id, error)
            return True
        del self._failures[job_id]
        return complete

    def _patience_s(self, job_id: str) -> float:
        """How long a job is put off: longer each time, and others have their turn meanwhile."""
        doublings = min(self._failures[job_id], _DOUBLINGS)
        return min(self._interval_s * 2.0**doublings, _LONGEST_AWAY_S)

    def _refused(self, job_id: str, error: Exception) -> None:
        """Try again without what is remembered, which the server may have lost; then seldom."""
        self._runs.forget()
        self._tracked.put_off(job_id, 0.0 if self._failures[job_id] < _REFUSALS else _REFUSED_S)
        if self._failures[job_id] == _REFUSALS:
            log.warning("mlflow_refused", job_id=job_id, because=self._reason(error))

    def _reason(self, error: Exception) -> str:
        return self._redact(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]
