"""Jobs as runs of an MLflow experiment."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from ridgeline.contract.curves import EpochRow
from ridgeline.contract.job import JobStatus
from ridgeline.storage import EventRecord, EventType, JobRecord

JOB_ID = "ridgeline.job_id"
LAST_EVENT = "ridgeline.last_event"
_ENDED = {
    JobStatus.SUCCEEDED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELLED: "KILLED",
}
_MOST_METRICS = 1000
"""What one request may hold, as _MOST_PARAMS."""
_MOST_PARAMS = 100
_LONGEST_PARAM = 500
_LONGEST_TAG = 500
_LONGEST_KEY = 250
_FOR_NUMBER = 8
_NO_KEY = re.compile(r"[^\w. -]")
"""What no name may hold; a slash may, but then the name has to be a path in its simplest form."""
_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}


class Runs:
    """Writes jobs into one experiment; one thread uses it. Every call may raise MlflowException.

    A job's run is found by its tag `ridgeline.job_id`, whichever worker made it, and the tag
    `ridgeline.last_event` says up to where it was told: what breaks off is continued there.
    """

    def __init__(self, url: str, experiment: str) -> None:
        self._client = MlflowClient(tracking_uri=url)
        self._name = experiment
        self._experiment: str | None = None
        self._known: dict[str, Run] = {}

    def last_event(self, record: JobRecord) -> int:
        """The newest of the job's events that its run was told of; its run is made if need be."""
        if record.id not in self._known:
            self._known[record.id] = self._find(record.id) or self._create(record)
        return int(self._known[record.id].data.tags.get(LAST_EVENT, "0"))

    def tell(self, record: JobRecord, events: Sequence[EventRecord]) -> None:
        """Write what follows the last event."""
        run = self._known[record.id]
        run_id = run.info.run_id
        if LAST_EVENT not in run.data.tags:  # whoever made it may have got no further
            self._describe(run_id, record.spec)
        metrics: list[Metric] = []
        for event in events:
            metrics.extend(_metrics(event))
            if len(metrics) >= _MOST_METRICS:
                self._log(run_id, metrics, event.id)
                metrics = []
        if events:
            self._log(run_id, metrics, events[-1].id)
            run.data.tags[LAST_EVENT] = str(events[-1].id)

    def end(self, record: JobRecord, verdict: str | None) -> None:
        """Write how the job ended, and end its run."""
        run_id = self._known.pop(record.id).info.run_id
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
        self._client.log_batch(run_id, metrics, tags=tags)
        self._client.set_terminated(run_id, _ENDED[record.status], end_time=at)

    def unfinished(self) -> Iterator[str]:
        """The jobs whose runs have not ended."""
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id()], "attributes.status = 'RUNNING'", page_token=token
            )
            yield from (run.data.tags[JOB_ID] for run in page if JOB_ID in run.data.tags)
            token = page.token
            if not token:
                return

    def refused(self, error: Exception) -> bool:
        """Whether the server answers, and takes offence at this one job."""
        return isinstance(error, MlflowException) and error.error_code in _REFUSALS

    def forget(self, job_id: str | None = None) -> None:
        """Look a job's run up anew the next time; without an id all runs, and the experiment."""
        if job_id is not None:
            self._known.pop(job_id, None)
            return
        self._known.clear()
        self._experiment = None

    def abandon(self, job_id: str) -> None:
        """End the run of a job that was deleted."""
        self._known.pop(job_id, None)
        run = self._find(job_id)
        if run is not None:
            self._client.set_terminated(run.info.run_id, "KILLED")

    def _find(self, job_id: str) -> Run | None:
        found = self._client.search_runs(
            [self._experiment_id()], f"tags.`{JOB_ID}` = '{job_id}'", max_results=1
        )
        return found[0] if found else None

    def _create(self, record: JobRecord) -> Run:
        tags = {JOB_ID: record.id, MLFLOW_RUN_NAME: record.name or record.id}
        tags |= {f"ridgeline.tag.{index}": tag for index, tag in enumerate(record.tags)}
        started = _milliseconds(record.started_at or record.created_at)
        return self._client.create_run(self._experiment_id(), start_time=started, tags=tags)

    def _describe(self, run_id: str, spec: str) -> None:
        """Write the spec; what stands there already is the same."""
        params = list(_params(spec))
        for first in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(run_id, params=params[first : first + _MOST_PARAMS])

    def _experiment_id(self) -> str:
        if self._experiment is None:
            found = self._client.get_experiment_by_name(self._name)
            self._experiment = found.experiment_id if found else self._create_experiment()
        return self._experiment

    def _create_experiment(self) -> str:
        try:
            return str(self._client.create_experiment(self._name))
        except MlflowException:  # another worker was quicker
            found = self._client.get_experiment_by_name(self._name)
            if found is None:
                raise
            return str(found.experiment_id)

    def _log(self, run_id: str, metrics: Sequence[Metric], last_event: int) -> None:
        """Write metrics and, with the last of them, up to where the run was told."""
        for first in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(run_id, metrics[first : first + _MOST_METRICS])
        self._client.set_tag(run_id, LAST_EVENT, str(last_event))


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
