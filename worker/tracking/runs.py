"""Jobs as runs of MLflow experiments."""

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
from ridgeline.storage import EventRecord, EventType, JobRecord, TrackedJob

JOB_ID = "ridgeline.job_id"
LAST_EVENT = "ridgeline.last_event"
_RUNNING = "RUNNING"
_ENDED = {
    JobStatus.SUCCEEDED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELLED: "KILLED",
}
_MAX_METRICS = 999
"""MLflow's limit for one request with one tag; as _MAX_PARAMS."""
_MAX_PARAMS = 100
_MAX_PARAM = 500
_MAX_TAG = 500
_MAX_KEY = 250
_FOR_NUMBER = 8
_INVALID = re.compile(r"[^\w. -]")
"""Invalid in names. MLflow allows slashes in normalized paths only, so they are replaced too."""
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_REJECTIONS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS",
    _MISSING,
}
_LAYERS = "penalty_by_layer/"


class Runs:
    """Writes jobs to one server; used by one thread. Every call may raise MlflowException.

    The tag `ridgeline.job_id` identifies a job's run, whichever worker created it. The tag
    `ridgeline.last_event` holds the last event that was logged, from which any worker continues.
    """

    def __init__(self, url: str) -> None:
        _prepare_environment()
        self._client = MlflowClient(tracking_uri=url)
        self._experiments: dict[str, str] = {}

    def find(self, job: TrackedJob) -> Run | None:
        """The job's run: the one noted in the records, else one whose creator died before that."""
        noted = None if job.run_id is None else self._get(job.run_id)
        return noted or next(iter(self._of(job)), None)

    def create(self, job: TrackedJob, record: JobRecord) -> Run:
        """Create a run of the job."""
        tags = {JOB_ID: record.id, MLFLOW_RUN_NAME: record.name or record.id}
        tags |= {f"ridgeline.tag.{index}": tag for index, tag in enumerate(record.tags)}
        started = _milliseconds(record.started_at or record.created_at)
        experiment_id = self._experiment_id(job.experiment) or self._create_experiment(
            job.experiment
        )
        return self._client.create_run(experiment_id, start_time=started, tags=tags)

    def delete(self, run: Run) -> None:
        """Delete a duplicate run; the server can restore it."""
        self._client.delete_run(run.info.run_id)

    def last_event(self, run: Run) -> int:
        """The id of the newest event that was logged to the run; 0: none."""
        return int(run.data.tags.get(LAST_EVENT, "0"))

    def describe(self, run: Run, record: JobRecord) -> None:
        """Log the spec; parameters that exist already have the same value."""
        params = list(_params(record.spec))
        for first in range(0, len(params), _MAX_PARAMS):
            self._client.log_batch(run.info.run_id, params=params[first : first + _MAX_PARAMS])

    def log_events(self, run: Run, events: Sequence[EventRecord]) -> None:
        """Log the events that follow the last one."""
        metrics: list[Metric] = []
        for event in events:
            more = list(_metrics(event))
            if metrics and len(metrics) + len(more) > _MAX_METRICS:
                self._log(run, metrics, event.id - 1)
                metrics = []
            metrics += more
        self._log(run, metrics, events[-1].id)

    def end(self, run: Run, record: JobRecord, verdict: str | None) -> None:
        """Log how the job ended, and end its run."""
        at = _milliseconds(record.finished_at or record.created_at)
        # The epochs' metrics are logged already; these are of the kept weights and the test rows.
        final = {
            f"final/{name}": value
            for name, value in json.loads(record.metrics).items()
            if value is not None
        }
        metrics = [Metric(name, value, at, record.progress_epoch) for name, value in final.items()]
        texts = {"reason": record.reason_code, "detail": record.reason_detail, "verdict": verdict}
        tags = [
            RunTag(f"ridgeline.{name}", text[:_MAX_TAG]) for name, text in texts.items() if text
        ]
        self._client.log_batch(run.info.run_id, metrics, tags=tags)
        self._client.set_terminated(run.info.run_id, _ENDED[record.status], end_time=at)

    def drop_duplicates(self, job: TrackedJob, kept: Run) -> None:
        """Delete other runs of the job, made by requests that the server completed too late.

        A run that has ended is a user's own copy.
        """
        for run in self._of(job):
            if run.info.run_id != kept.info.run_id and run.info.status == _RUNNING:
                self.delete(run)

    def abandon(self, job: TrackedJob) -> None:
        """End the run of a deleted job, if it has one."""
        for run in self._of(job):
            if run.info.status == _RUNNING:
                self._client.set_terminated(run.info.run_id, "KILLED")

    def unfinished(self, experiment: str) -> list[str]:
        """The ids of the jobs whose runs in the experiment have not ended."""
        runs = self._search(experiment, f"attributes.status = '{_RUNNING}'")
        return [run.data.tags[JOB_ID] for run in runs if JOB_ID in run.data.tags]

    def rejected(self, error: Exception) -> bool:
        """Whether the server is up but rejects this one job."""
        return isinstance(error, MlflowException) and error.error_code in _REJECTIONS

    def forget(self) -> None:
        """Clear the cached ids of the experiments."""
        self._experiments.clear()

    def _get(self, run_id: str) -> Run | None:
        """The run, unless it was deleted or the server was replaced."""
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == _MISSING:
                return None
            raise
        return run if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None

    def _of(self, job: TrackedJob) -> list[Run]:
        return list(self._search(job.experiment, f"tags.`{JOB_ID}` = '{job.job_id}'"))

    def _search(self, experiment: str, filter_string: str) -> Iterator[Run]:
        experiment_id = self._experiment_id(experiment)
        token: str | None = None
        while experiment_id is not None:
            page = self._client.search_runs([experiment_id], filter_string, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _experiment_id(self, name: str) -> str | None:
        """The id of the experiment; None if it does not exist."""
        if name not in self._experiments:
            experiment = self._client.get_experiment_by_name(name)
            if experiment is None:
                return None
            self._experiments[name] = str(experiment.experiment_id)
        return self._experiments[name]

    def _create_experiment(self, name: str) -> str:
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:  # another worker was quicker
            experiment_id = self._experiment_id(name)
            if experiment_id is None:
                raise
            return experiment_id

    def _log(self, run: Run, metrics: Sequence[Metric], last_event: int) -> None:
        """Log metrics and, in the last request, the id of the event they reach up to."""
        run_id = run.info.run_id
        *before, last = [
            metrics[first : first + _MAX_METRICS]
            for first in range(0, len(metrics) or 1, _MAX_METRICS)
        ]
        for batch in before:
            self._client.log_batch(run_id, batch)
        self._client.log_batch(run_id, last, tags=[RunTag(LAST_EVENT, str(last_event))])


def _prepare_environment() -> None:
    """Keep the library from waiting long, from sending telemetry and from printing."""
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
    layers = {f"{_LAYERS}{term}": value for term, value in row.penalty_by_layer.items()}
    for name, value in {**row.values, **layers}.items():
        if value is not None:
            yield Metric(name, value, at, row.epoch)
        elif name.removeprefix(_LAYERS) in row.nonfinite:
            yield Metric(name, math.nan, at, row.epoch)


def _params(spec: str) -> Iterator[Param]:
    """Every leaf of the posted spec by its path, such as `regularization.weights.l2`."""
    keys: set[str] = set()
    for path, value in _leaves(json.loads(spec), ""):
        key = plain = _INVALID.sub("_", path)[: _MAX_KEY - _FOR_NUMBER]
        number = 1
        while key in keys:  # columns may differ only in invalid characters
            number += 1
            key = f"{plain}_{number}"
        keys.add(key)
        yield Param(key, str(value)[:_MAX_PARAM])


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """A list of plain values is one leaf: it may be long."""
    children: dict[Any, object] = {}
    if isinstance(value, dict):
        children = value
    elif isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        children = dict(enumerate(value))
    if not children:
        yield path, json.dumps(value) if isinstance(value, list | dict) else value
    for name, child in children.items():
        yield from _leaves(child, f"{path}.{name}" if path else str(name))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
