"""The client of a Ridgeline service."""

import json
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any, Literal, Self, Unpack, overload

import httpx

from ridgeline.api.attempts import Attempt, JobAttempts
from ridgeline.api.catalog import PresetEntry
from ridgeline.api.comparison import Comparison
from ridgeline.api.curves import ChartEntry, Curves, Theme
from ridgeline.api.datasets import StoredDataset, StoredDatasetPage
from ridgeline.api.events import JobEvent
from ridgeline.api.job import Artifact, Job, JobPage, Validation
from ridgeline.api.log import LogEntry, LogLevel
from ridgeline.api.report import Report
from ridgeline.api.worker import Worker
from ridgeline.client._downloads import (
    OnProgress,
    download_artifact,
    download_dataset,
    load_keras_model,
)
from ridgeline.client._events import JobEvents
from ridgeline.client._http import Retries, Spec, Transport, job_path, path_to, read, read_object
from ridgeline.client._uploads import upload
from ridgeline.client._waiting import JobLog, job_changes
from ridgeline.client.notebook import ChartFormat, ImageFormat, JobView, LiveJob, Look, get_chart
from ridgeline.default_url import default_url
from ridgeline.spec.dataset.contents import DatasetFormat

OnChange = Callable[[Job], None]


class Client:
    """Connects to one Ridgeline service. Use it as a context manager, or close it.

    >>> with Client() as client:
    ...     job = client.wait(client.submit(spec).id)
    ...     print(client.report(job.id).verdict)

    Several threads may share one client, but not an iterator that it returns.

    Args:
        base_url: the address of the service; by default that in the environment variable
            RIDGELINE_URL, or else `http://127.0.0.1:8000`. An invalid address raises ValueError.
        timeout: seconds to wait for a connection and for each response.
        transport: sends the requests, such as `httpx.MockTransport` in a test. With one, proxies
            named in the environment are not used.
        retries: how often and for how long a failed request is retried.
    """

    def __init__(
        self,
        base_url: str | None = None,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        retries: Retries | None = None,
    ) -> None:
        url = default_url() if base_url is None else base_url
        self._transport = Transport(url, timeout, retries or Retries(), transport)

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The URL of the service, without a trailing slash."""
        return self._transport.base_url

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._transport.close()

    def validate(self, spec: Spec) -> Validation:
        """Check a spec without storing it: resolved spec, size, advice. Raises InvalidSpecError."""
        return read(Validation, self._transport.send_spec("/jobs/validate", spec))

    def submit(self, spec: Spec, idempotency_key: str | None = None) -> Job:
        """Submit a job for training.

        Every call sends an Idempotency-Key, a new one unless given, so retries never create a
        second job. Any call with the same key and spec returns the first job. Raises
        InvalidSpecError, whose `problem.errors` locates each fault, and IdempotencyKeyReusedError.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._live(read(Job, self._transport.send_spec("/jobs", spec, key)))

    def job(self, job_id: str) -> Job:
        """Get a job. Raises NotFoundError."""
        return self._live(self._transport.get(Job, job_path(job_id)))

    def jobs(
        self,
        *,
        status: str | Collection[str] | None = None,
        tag: str | None = None,
        page_size: int = 50,
    ) -> Iterator[Job]:
        """Iterate over the jobs, newest first; pages of up to 100 are fetched as needed.

        `status` selects the jobs in this status (a JobStatus or its name), or in one of several;
        an unknown name raises InvalidRequestError. `tag` selects the jobs with this tag.
        """
        statuses = [status] if isinstance(status, str) else [*(status or ())]
        query = {"limit": page_size, "status": [str(name) for name in statuses], "tag": tag}
        for page in self._transport.pages(JobPage, "/jobs", query):
            yield from map(self._live, page.items)

    def wait(
        self, job_id: str, timeout: float | None = None, on_change: OnChange | None = None
    ) -> Job:
        """Wait until a job has ended, and return it, however it ended.

        >>> client.wait(job.id, on_change=lambda job: print(job.status, job.progress.fraction))

        After `timeout` seconds it raises WaitTimeoutError. `on_change` is called with the job at
        once, and then after each change: with every epoch, or less often where epochs are shorter
        than a request. A service that is unreachable for a while, such as during a restart, does
        not end the wait (`Retries.patience_s`). Raises NotFoundError, also when the job is deleted
        meanwhile.
        """
        for change in job_changes(self._transport, job_id, timeout):
            job = self._live(change)
            if on_change is not None:
                on_change(job)
        return job

    def watch(self, job_id: str, *, chart: str = "losses", theme: Theme = "light") -> JobView:
        """Get a view that shows a job while it trains.

        In a notebook it is a chart (`losses`, `accuracy`, `penalty` or `learning_rate`) that is
        updated while other cells run, and so is every job that the client returns; elsewhere `wait`
        prints a line for each epoch. Raises NotFoundError.

        >>> client.watch(job.id, chart="penalty")  # as the last line of a cell
        >>> job = client.watch(job.id).wait()
        """
        return JobView(self, self.job(job_id), chart, theme)

    def events(self, job_id: str, after: int = 0) -> Iterator[JobEvent]:
        """Iterate over a job's events, past and future, until it has ended.

        Each change of status and each epoch is yielded once and in order; after a resume an epoch
        may be trained again, and its last event counts. A broken stream is reopened after the last
        event; where a proxy buffers or blocks streams, the client polls. With `after`, the id of an
        event, it starts after that event. Closing the iterator closes the connection.

        >>> for event in client.events(job.id):
        ...     if event.type == "epoch":
        ...         print(event.row.epoch, event.row.values["val_data_loss"])

        Raises NotFoundError, also when the job is deleted meanwhile, and UnreachableError once the
        service has been unreachable for longer than `Retries.patience_s`.
        """
        return iter(JobEvents(self._transport, job_id, after))

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, a running one after its epoch. Raises ConflictError."""
        return self._change(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        """Pause a queued job at once, a running one after its epoch. Raises ConflictError."""
        return self._change(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Resume a paused job from its checkpoint. Raises ConflictError if it has ended."""
        return self._change(job_id, "resume")

    def delete(self, job_id: str) -> None:
        """Delete a job, its curves and artifacts. Raises ConflictError until it has ended."""
        self._transport.send("DELETE", job_path(job_id))

    def curves(self, job_id: str, max_points: int | None = None) -> Curves:
        """Get the loss curves so far, as columns: one entry per epoch in every list.

        With `max_points` at most this many epochs: the first, the last, and those at which a series
        is extreme. A value that was not finite is None, and its epoch is listed in `nonfinite`.

        >>> client.curves(job.id).series["val_data_loss"][-1]
        0.1823
        >>> pandas.DataFrame(client.curves(job.id).to_dict())  # with the penalty of each layer
        """
        return self._transport.get(Curves, job_path(job_id, "curves"), {"max_points": max_points})

    def report(self, job_id: str) -> Report:
        """Get the diagnosis of a job that has ended: verdict, evidence, weights, suggestions.

        Raises ConflictError until it has ended, and NotFoundError if it ended without a report.
        """
        return self._transport.get(Report, job_path(job_id, "report"))

    def attempts(self, job_id: str) -> tuple[Attempt, ...]:
        """List the attempts at a job, oldest first, and how each ended. Raises NotFoundError."""
        return self._transport.get(JobAttempts, job_path(job_id, "attempts")).attempts

    def logs(
        self,
        job_id: str,
        *,
        level: LogLevel | None = None,
        page_size: int = 500,
        follow: bool = False,
        timeout: float | None = None,
    ) -> Iterator[LogEntry]:
        """Iterate over a job's log from `level` up; pages of up to 1000 are fetched as needed.

        >>> for line in client.logs(job.id, follow=True):
        ...     print(line.at, line.event)

        With `follow` it continues with new lines until the job has ended, even if the service is
        unreachable for a while (`Retries.patience_s`); after `timeout` seconds it raises
        WaitTimeoutError. Raises NotFoundError, also when the job is deleted meanwhile.
        """
        log = JobLog(self._transport, job_id, level, page_size)
        return log.follow(timeout) if follow else log.lines()

    def artifacts(self, job_id: str) -> tuple[Artifact, ...]:
        """List a job's published files. Raises NotFoundError."""
        return self.job(job_id).artifacts

    def download(
        self, job_id: str, name: str, to: str | Path, on_progress: OnProgress | None = None
    ) -> Path:
        """Download an artifact to the file `to`, or into the folder `to`; return its path.

        The bytes are written to a `.part` file next to it, which is resumed after a broken
        connection or an interrupted call, and renamed only once its SHA-256 is the artifact's.
        `on_progress` is called in this thread with the bytes received so far and in total.

        >>> client.download(job.id, "model.keras", ".", lambda done, total: print(done / total))

        Raises NoSuchArtifactError, which lists the available names, NotFoundError, ChecksumError.
        """
        return download_artifact(self._transport, self.job(job_id), name, Path(to), on_progress)

    def load_model(self, job_id: str, on_progress: OnProgress | None = None) -> Any:
        """Download a job's `model.keras` and load it: a `keras.Model`, ready to predict.

        It accepts rows as they are in the data set: feature scaling is its first layer. It needs
        Keras and a backend, but no code of Ridgeline's. The model includes its penalties, so
        `compile` and `fit` continue with the same regularization.

        >>> client.load_model(job.id).predict(rows)

        Raises KerasMissingError, NoSuchArtifactError, NotFoundError and ChecksumError.
        """
        return load_keras_model(lambda to: self.download(job_id, "model.keras", to, on_progress))

    def charts(self, job_id: str) -> tuple[ChartEntry, ...]:
        """List the charts of a job, and whether each has data yet. Raises NotFoundError."""
        return self._transport.get_list(ChartEntry, job_path(job_id, "charts"))

    @overload
    def chart(
        self, job_id: str, name: str = ..., *, format: ImageFormat = ..., **look: Unpack[Look]
    ) -> bytes: ...

    @overload
    def chart(
        self, job_id: str, name: str = ..., *, format: Literal["vega-lite"], **look: Unpack[Look]
    ) -> dict[str, Any]: ...

    def chart(
        self,
        job_id: str,
        name: str = "losses",
        *,
        format: ChartFormat = "svg",  # noqa: A002 - the word a user looks for
        **look: Unpack[Look],
    ) -> bytes | dict[str, Any]:
        """Get a chart of a job: a picture as bytes, or its Vega-Lite definition with its data.

        >>> Path("losses.png").write_bytes(client.chart(job.id, format="png", scale=2))
        >>> altair.Chart.from_dict(client.chart(job.id, "penalty", format="vega-lite"))

        The charts are `losses`, `accuracy`, `penalty`, `weights` and `learning_rate`; the formats
        `svg`, `png` and `vega-lite`. See `Look` for the options. Raises NotFoundError for an
        unknown job or chart, and InvalidRequestError for a size out of range.
        """
        return get_chart(self._transport, job_path(job_id, "charts", name), format, look)

    def compare(self, *job_ids: str, max_points: int | None = None) -> Comparison:
        """Compare 2 to 20 jobs: the differences between their specs, and their curves.

        >>> for difference in client.compare(plain.id, with_l2.id).differences:
        ...     print(difference.label, difference.values)

        With `max_points` about this many epochs of each. Raises NotFoundError, InvalidRequestError.
        """
        query = {"jobs": ",".join(job_ids), "max_points": max_points}
        return self._transport.get(Comparison, "/compare", query)

    @overload
    def compare_chart(
        self, *job_ids: str, measure: str = ..., format: ImageFormat = ..., **look: Unpack[Look]
    ) -> bytes: ...

    @overload
    def compare_chart(
        self, *job_ids: str, measure: str = ..., format: Literal["vega-lite"], **look: Unpack[Look]
    ) -> dict[str, Any]: ...

    def compare_chart(
        self,
        *job_ids: str,
        measure: str = "loss",
        format: ChartFormat = "svg",  # noqa: A002 - as in `chart`
        **look: Unpack[Look],
    ) -> bytes | dict[str, Any]:
        """Get the curves of 2 to 20 jobs in one chart, in a format of `chart`.

        `measure` is `loss`, without the penalty, or a metric such as `accuracy`. Raises
        NotFoundError and InvalidRequestError.
        """
        query = {"jobs": ",".join(job_ids), "measure": measure, **look}
        return get_chart(self._transport, "/compare", format, query)

    def upload(
        self,
        file: str | Path | IO[bytes],
        *,
        name: str | None = None,
        format: DatasetFormat | str | None = None,  # noqa: A002 - the word a user looks for
        on_progress: OnProgress | None = None,
    ) -> StoredDataset:
        """Upload a data set; return it as stored, with its rows, columns and classes.

        A file that the service already has is not sent again. One above 64 MiB is sent in parts;
        after a broken connection or an interrupted call, only the missing parts are sent.

        >>> dataset = client.upload("houses.csv")
        >>> spec["dataset"] = {"source": "upload", "id": dataset.id, "target": "price"}

        `file` is a path, or a file opened in binary mode, which is read from its position. `name`
        is by default the file's, and `format` (`csv`, `parquet`, `npz`, `npy` or `images`) is
        detected. `on_progress` is called in this thread with the bytes sent so far and in total.

        Raises UnusableDatasetError, whose `problem.errors` lists the file's faults, and
        DigestMismatchError or ChecksumError if the file changed during the upload.
        """
        return upload(self._transport, file, name, format, on_progress)

    def datasets(self, page_size: int = 50) -> Iterator[StoredDataset]:
        """Iterate over the stored data sets, newest first; pages are fetched as needed."""
        for page in self._transport.pages(StoredDatasetPage, "/datasets", {"limit": page_size}):
            yield from page.items

    def dataset(self, dataset_id: str) -> StoredDataset:
        """Get a stored data set. Raises NotFoundError."""
        return self._transport.get(StoredDataset, path_to("datasets", dataset_id))

    def download_dataset(
        self, dataset_id: str, to: str | Path, on_progress: OnProgress | None = None
    ) -> Path:
        """Download a stored data set as `download` does an artifact; return its path."""
        return download_dataset(self._transport, self.dataset(dataset_id), Path(to), on_progress)

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a stored data set. Raises ConflictError while a job that has not ended uses it."""
        self._transport.send("DELETE", path_to("datasets", dataset_id))

    def presets(self) -> tuple[PresetEntry, ...]:
        """List the networks that a spec can name, each with a spec to submit."""
        return self._transport.get_list(PresetEntry, "/presets")

    def preset(self, name: str, **parameters: Any) -> PresetEntry:
        """Get a preset by its name, with `parameters` in place of its defaults.

        >>> client.submit(client.preset("imdb_mlp", rate=0.4).spec)

        Raises NotFoundError, and InvalidRequestError for parameters that it does not accept.
        """
        query = {key: json.dumps(value) for key, value in parameters.items()}
        return self._transport.get(PresetEntry, path_to("presets", name), query)

    def catalog(self) -> dict[str, Any]:
        """Get what a spec may name (layers, losses, data sets, ...), with JSON Schema arguments."""
        return read_object(self._transport.send("GET", "/catalog"))

    def workers(self) -> tuple[Worker, ...]:
        """List the workers, newest first, with the jobs they run."""
        return self._transport.get_list(Worker, "/workers")

    def _change(self, job_id: str, verb: str) -> Job:
        # Asking for a state twice has the effect of asking once, so no key is needed.
        response = self._transport.send("POST", job_path(job_id, verb), repeatable=True)
        return self._live(read(Job, response))

    def _live(self, job: Job) -> Job:
        return LiveJob.of(job, self)
