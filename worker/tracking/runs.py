"""Jobs as runs of MLflow experiments.

What a run is told of its job, up to the end or to what is known so far.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus
from ridgeline.storage import EventRecord, EventType, JobRecord, JobStore, TrackedJob, TrackingStore

JOB_ID = "ridgeline.job_id"


LAST_EVENT = "ridgeline.last_event"


_RUNNING = "RUNNING"


_ENDED = {
    JobStatus.SUCCEEDED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELLED: "KILLED",
}


_MOST_METRICS = 999
"""What one request may hold, beside a tag; as _MOST_PARAMS."""


_MOST_PARAMS = 100


_LONGEST_PARAM = 500


_LONGEST_TAG = 500


_LONGEST_KEY = 250


_FOR_NUMBER = 8


_NO_KEY = re.compile(r"[^\w. -]")
"""What no name may hold; a slash may, but then the name has to be a path in its simplest form."""


_MISSING = "RESOURCE_DOES_NOT_EXIST"


_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS",
    _MISSING,
}


_EVENTS = 100
"""How many events are told before that is noted."""


_PAGES = 10
"""How often, before other jobs have their turn."""


class Runs:
    """Writes jobs to one server; one thread uses it. Every call may raise MlflowException.

    A job's run is found by its tag `ridgeline.job_id`, whichever worker made it, and the tag
    `ridgeline.last_event` says up to where it was told: what breaks off is continued there.
    """

    def __init__(self, url: str) -> None:
        self._client = MlflowClient(tracking_uri=url)
        self._experiments: dict[str, str] = {}

    def find(self, job: TrackedJob) -> Run | None:
        """The run of the job: the one that was noted, or else one that somebody made and died."""
        noted = None if job.run_id is None else self._get(job.run_id)
        return noted or next(iter(self._of(job)), None)

    def create(self, job: TrackedJob, record: JobRecord) -> Run:
        """Make a run of the job."""
        tags = {JOB_ID: record.id, MLFLOW_RUN_NAME: record.name or record.id}
        tags |= {f"ridgeline.tag.{index}": tag for index, tag in enumerate(record.tags)}
        started = _milliseconds(record.started_at or record.created_at)
        experiment_id = self._known(job.experiment) or self._create_experiment(job.experiment)
        return self._client.create_run(experiment_id, start_time=started, tags=tags)

    def delete(self, run: Run) -> None:
        """Delete a run that is one too many; the server can restore it."""
        self._client.delete_run(run.info.run_id)

    def last_event(self, run: Run) -> int:
        """The newest of the job's events that its run was told of; 0: of none."""
        return int(run.data.tags.get(LAST_EVENT, "0"))

    def describe(self, run: Run, record: JobRecord) -> None:
        """Write the spec; what stands there already is the same."""
        params = list(_params(record.spec))
        for first in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(run.info.run_id, params=params[first : first + _MOST_PARAMS])

    def tell(self, run: Run, events: Sequence[EventRecord]) -> None:
        """Write what follows the last event."""
        metrics: list[Metric] = []
        for event in events:
            more = list(_metrics(event))
            if metrics and len(metrics) + len(more) > _MOST_METRICS:
                self._log(run, metrics, event.id - 1)
                metrics = []
            metrics += more
        self._log(run, metrics, events[-1].id)

    def end(self, run: Run, record: JobRecord, verdict: str | None) -> None:
        """Write how the job ended, and end its run."""
        at = _milliseconds(record.finished_at or record.created_at)
        # An epoch's values have been told; these are the kept weights', and the test rows'.
        final = {
            f"final/{name}": value
            for name, value in json.loads(record.metrics).items()
            if value is not None
        }
        metrics = [Metric(name, value, at, record.progress_epoch) for name, value in final.items()]
        said = {"reason": record.reason_code, "detail": record.reason_detail, "verdict": verdict}
        tags = [
            RunTag(f"ridgeline.{name}", text[:_LONGEST_TAG]) for name, text in said.items() if text
        ]
        self._client.log_batch(run.info.run_id, metrics, tags=tags)
        self._client.set_terminated(run.info.run_id, _ENDED[record.status], end_time=at)

    def drop_doubles(self, job: TrackedJob, kept: Run) -> None:
        """Delete runs of the job that were made besides: by requests that were answered too late.

        One that has ended is somebody's own copy.
        """
        for run in self._of(job):
            if run.info.run_id != kept.info.run_id and run.info.status == _RUNNING:
                self.delete(run)

    def abandon(self, job: TrackedJob) -> None:
        """End the run of a job that was deleted, if it has one."""
        for run in self._of(job):
            if run.info.status == _RUNNING:
                self._client.set_terminated(run.info.run_id, "KILLED")

    def unfinished(self, experiment: str) -> list[str]:
        """The jobs whose runs in the experiment have not ended."""
        found = self._search(experiment, f"attributes.status = '{_RUNNING}'")
        return [run.data.tags[JOB_ID] for run in found if JOB_ID in run.data.tags]

    def refused(self, error: Exception) -> bool:
        """Whether the server answers, and takes offence at this one job."""
        return isinstance(error, MlflowException) and error.error_code in _REFUSALS

    def forget(self) -> None:
        """Look the experiments up anew."""
        self._experiments.clear()

    def _get(self, run_id: str) -> Run | None:
        """The run, unless it was deleted, or the server has become another."""
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == _MISSING:
                return None
            raise
        return run if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None

    def _of(self, job: TrackedJob) -> list[Run]:
        return list(self._search(job.experiment, f"tags.`{JOB_ID}` = '{job.job_id}'"))

    def _search(self, experiment: str, wanted: str) -> Iterator[Run]:
        experiment_id = self._known(experiment)
        token: str | None = None
        while experiment_id is not None:
            page = self._client.search_runs([experiment_id], wanted, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _known(self, experiment: str) -> str | None:
        """The id of the experiment; None if there is none."""
        if experiment not in self._experiments:
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                return None
            self._experiments[experiment] = str(found.experiment_id)
        return self._experiments[experiment]

    def _create_experiment(self, name: str) -> str:
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:  # another worker was quicker
            found = self._known(name)
            if found is None:
                raise
            return found

    def _log(self, run: Run, metrics: Sequence[Metric], last_event: int) -> None:
        """Write metrics and, with the last of them, up to where the run was told."""
        run_id = run.info.run_id
        *before, last = [
            metrics[first : first + _MOST_METRICS]
            for first in range(0, len(metrics) or 1, _MOST_METRICS)
        ]
        for batch in before:
            self._client.log_batch(run_id, batch)
        self._client.log_batch(run_id, last, tags=[RunTag(LAST_EVENT, str(last_event))])


def prepare_environment() -> None:
    """Keep the library from waiting long, from calling home and from printing."""
    for name, value in (
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    ):
        os.environ.setdefault(name, value)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        os.environ[name] = "true"


def _metrics(event: EventRecord) -> Iterator[Metric]:
    if event.type is not EventType.EPOCH:
        return
    row, at = EpochRow.model_validate_json(event.payload), _milliseconds(event.created_at)
    layers = {f"penalty_by_layer/{term}": value for term, value in row.penalty_by_layer.items()}
    for name, value in {**row.values, **layers}.items():
        if value is not None:
            yield Metric(name, value, at, row.epoch)
        elif name.removeprefix("penalty_by_layer/") in row.nonfinite:
            yield Metric(name, math.nan, at, row.epoch)


def _params(spec: str) -> Iterator[Param]:
    """Every leaf of the posted spec by its path, such as `regularization.weights.l2`."""
    taken: set[str] = set()
    for path, value in _leaves(json.loads(spec), ""):
        key = plain = _NO_KEY.sub("_", path)[: _LONGEST_KEY - _FOR_NUMBER]
        number = 1
        while key in taken:  # columns may differ only in what no name may hold
            number += 1
            key = f"{plain}_{number}"
        taken.add(key)
        yield Param(key, str(value)[:_LONGEST_PARAM])


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """A list of plain values is one leaf: it may be long."""
    children: dict[Any, object] = {}
    if isinstance(value, dict):
        children = value
    elif isinstance(value, list) and any(isinstance(each, list | dict) for each in value):
        children = dict(enumerate(value))
    if not children:
        yield path, json.dumps(value) if isinstance(value, list | dict) else value
    for name, each in children.items():
        yield from _leaves(each, f"{path}.{name}" if path else str(name))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


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
