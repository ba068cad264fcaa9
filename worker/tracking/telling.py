"""What a run is told of its job, up to the end or to what is known so far."""

import json

from mlflow.entities import Run

from ridgeline.storage import JobRecord, JobStore, TrackedJob, TrackingStore
from worker.tracking.runs import Runs

_EVENTS = 100
"""How many events are told before that is noted."""
_PAGES = 10
"""How often, before other jobs have their turn."""


def tell(job: TrackedJob, jobs: JobStore, tracked: TrackingStore, runs: Runs) -> bool:
    """Tell what is new of a job that this worker has taken; False: there is more.

    It ends where another worker has the job. Raises MlflowException and StorageError.
    """
    record = jobs.get(job.job_id)
    if record is None:
        runs.abandon(job)
        tracked.strike_out(job.job_id)
        return True
    run = runs.find(job) or _made(job, record, tracked, runs)
    if run is None or not _tell_events(run, record, jobs, tracked, runs):
        return run is None
    if record.status.terminal:
        runs.drop_doubles(job, run)
        runs.end(run, record, _verdict(jobs, record))
        tracked.strike_out(job.job_id)
    return True


def _made(job: TrackedJob, record: JobRecord, tracked: TrackingStore, runs: Runs) -> Run | None:
    """A new run; None if another worker has taken the job, and makes one itself."""
    run = runs.create(job, record)
    if tracked.note(job.job_id, run.info.run_id, 0):
        return run
    runs.delete(run)
    return None


def _tell_events(
    run: Run, record: JobRecord, jobs: JobStore, tracked: TrackingStore, runs: Runs
) -> bool:
    """Whether the run has been told of all events there are."""
    last = runs.last_event(run)
    if not last:  # whoever made it may have got no further
        runs.describe(run, record)
    for _ in range(_PAGES):
        events = jobs.events(record.id, after=last, limit=_EVENTS)
        if events:
            runs.tell(run, events)
            last = events[-1].id
        if not tracked.note(record.id, run.info.run_id, last):
            return False
        if len(events) < _EVENTS:
            return True
    return False


def _verdict(jobs: JobStore, record: JobRecord) -> str | None:
    report = jobs.report(record.id)
    return json.loads(report)["verdict"] if report else None
