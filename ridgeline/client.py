"""The Python client of a Ridgeline service.

Every error it raises is one of these; a network library's own never leaks:

    RidgelineError
    ├── UnreachableError           the service could not be reached, or the connection broke
    ├── UnexpectedAnswerError      an answer that is not Ridgeline's: another server, or a proxy
    ├── WaitTimeoutError           the job had not ended within the time given
    ├── ChecksumError              the downloaded bytes are not the artifact
    ├── NoSuchArtifactError        the job has published no file of that name
    └── ProblemError               the service said no; `problem` says why
        ├── InvalidRequestError    the request or the spec cannot be accepted; see `problem.errors`
        ├── NotFoundError
        ├── ConflictError          it does not fit the job's present state
        │   └── IdempotencyKeyReusedError
        └── UnavailableError       try again later
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, RootModel, ValidationError

from ridgeline.contract.curves import Curves
from ridgeline.contract.job import Artifact, Job, JobPage, JobStatus
from ridgeline.contract.log import LogEntry, LogLevel, LogPage
from ridgeline.contract.preset_jobs import PresetEntry
from ridgeline.contract.problems import Problem, ProblemCode
from ridgeline.contract.report import Report
from ridgeline.contract.resolve import Validation
from ridgeline.contract.spec import JobSpec
from ridgeline.contract.worker import Worker

#: Pauses before each new try of a request that did not get through, in seconds.
BACKOFF_S = (0.1, 0.3, 1.0, 2.0)
#: How long one long-poll asks the service to hold its answer, in seconds.
LONG_POLL_S = 20.0
#: Least pause between two polls that brought nothing, should a service not hold its answer.
IDLE_PAUSE_S = 0.2

Model = TypeVar("Model", bound=BaseModel)
Spec = JobSpec | Mapping[str, Any]


class RidgelineError(Exception):
    """Base of everything the client raises."""


class UnreachableError(RidgelineError):
    """The service could not be reached, or the connection broke, and trying again did not help."""


class UnexpectedAnswerError(RidgelineError):
    """An answer that is not Ridgeline's: another server, a proxy, or another version."""


class WaitTimeoutError(RidgelineError):
    """The job had not ended within the time given. It goes on."""


class ChecksumError(RidgelineError):
    """The downloaded bytes are not the artifact; they were removed."""


class NoSuchArtifactError(RidgelineError):
    """The job has published no file of that name."""


class ProblemError(RidgelineError):
    """The service answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        faults = "".join(f"\n  {fault.pointer}: {fault.detail}" for fault in problem.errors)
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}{faults}")
        self.problem = problem


class InvalidRequestError(ProblemError):
    """The request or its spec cannot be accepted; `problem.errors` points at each fault."""


class NotFoundError(ProblemError):
    """There is no such job or artifact."""


class ConflictError(ProblemError):
    """What was asked does not fit the job's present state."""


class IdempotencyKeyReusedError(ConflictError):
    """The Idempotency-Key was used before, with another body."""


class UnavailableError(ProblemError):
    """The service cannot serve the request now."""


_ERRORS: dict[ProblemCode, type[ProblemError]] = {
    ProblemCode.MALFORMED_JSON: InvalidRequestError,
    ProblemCode.INVALID_REQUEST: InvalidRequestError,
    ProblemCode.INVALID_SPEC: InvalidRequestError,
    ProblemCode.BODY_TOO_LARGE: InvalidRequestError,
    ProblemCode.NOT_FOUND: NotFoundError,
    ProblemCode.CONFLICT: ConflictError,
    ProblemCode.IDEMPOTENCY_KEY_REUSED: IdempotencyKeyReusedError,
    ProblemCode.UNAVAILABLE: UnavailableError,
}


class _Presets(RootModel[tuple[PresetEntry, ...]]):
    """What GET /presets answers."""


class _Workers(RootModel[tuple[Worker, ...]]):
    """What GET /workers answers."""


class Client:
    """Talks to one Ridgeline service. Use it as a context manager, or close it.

    Args:
        base_url: where the service is, such as `http://127.0.0.1:8000`.
        timeout: seconds to wait for a connection and for each answer.
        transport: how requests travel; tests give `httpx.MockTransport` or the app itself.
            With a transport of your own, proxies named in the environment are not used.
    """

    def __init__(
        self,
        base_url: str,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout = timeout
        self._http = httpx.Client(base_url=base_url, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, spec: Spec, idempotency_key: str | None = None) -> Job:
        """Post a job.

        It is posted once however often the request is tried: every call carries an
        Idempotency-Key, one of its own unless given.
        """
        key = idempotency_key or str(uuid.uuid4())
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return _read(Job, self._send("POST", "/jobs", content=_body(spec), headers=headers))

    def validate(self, spec: Spec) -> Validation:
        """Check a spec without storing anything: what it resolves to, its size, advice on it."""
        headers = {"Content-Type": "application/json"}
        answer = self._send("POST", "/jobs/validate", content=_body(spec), headers=headers)
        return _read(Validation, answer)

    def presets(self) -> tuple[PresetEntry, ...]:
        """List the networks that a spec can name, each with a spec to submit."""
        return _read(_Presets, self._send("GET", "/presets")).root

    def preset(self, name: str, **parameters: Any) -> PresetEntry:
        """Get a network by its name, with `parameters` in place of its own.

        >>> client.submit(client.preset("imdb_mlp", rate=0.4).spec)

        Raises NotFoundError, and InvalidRequestError where it does not take the parameters.
        """
        query = {key: json.dumps(value) for key, value in parameters.items()}
        path = f"/presets/{quote(name, safe='')}"
        return _read(PresetEntry, self._send("GET", path, params=query))

    def job(self, job_id: str) -> Job:
        """Get a job."""
        return _read(Job, self._send("GET", _path(job_id)))

    def jobs(
        self, *, status: JobStatus | None = None, tag: str | None = None, page_size: int = 50
    ) -> Iterator[Job]:
        """Go through the jobs, newest first, fetching a page when it is needed."""
        asked = {"status": status, "tag": tag, "limit": page_size}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        while True:
            page = _read(JobPage, self._send("GET", "/jobs", params=query))
            yield from page.items
            if page.next is None:
                return
            query["after"] = page.next

    def wait(
        self,
        job_id: str,
        timeout: float | None = None,
        on_change: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait until a job has ended, and return it, however it ended.

        Args:
            job_id: the job.
            timeout: seconds after which WaitTimeoutError is raised; None waits as long as it takes.
            on_change: called with the job as it is now, and then each time it changes.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        answer = self._send("GET", _path(job_id))
        while True:
            job = _read(Job, answer)
            if on_change is not None:
                on_change(job)
            if job.status.terminal:
                return job
            answer = self._next_change(job, answer.headers.get("ETag", ""), deadline)

    def _next_change(self, job: Job, etag: str, deadline: float | None) -> httpx.Response:
        """Long-poll until the job is not what `etag` names any more."""
        while True:
            asked = time.monotonic()
            left = LONG_POLL_S if deadline is None else min(LONG_POLL_S, deadline - asked)
            if left <= 0:
                at = f"{job.status} at epoch {job.progress.epoch} of {job.progress.epochs}"
                raise WaitTimeoutError(f"{job.id} was still {at} when the time to wait was over")
            answer = self._send(
                "GET",
                _path(job.id),
                params={"wait": f"{left:.3f}"},
                headers={"If-None-Match": etag} if etag else {},
                timeout=httpx.Timeout(self._timeout, read=self._timeout + left),
            )
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                return answer
            if time.monotonic() - asked < min(left, IDLE_PAUSE_S):
                time.sleep(min(left, IDLE_PAUSE_S))

    def curves(self, job_id: str) -> Curves:
        """Get the loss curves so far."""
        headers = {"Accept": "application/json"}
        return _read(Curves, self._send("GET", _path(job_id, "curves"), headers=headers))

    def logs(
        self, job_id: str, *, level: LogLevel | None = None, page_size: int = 500
    ) -> Iterator[LogEntry]:
        """Go through what was said about a job so far, fetching lines when they are needed.

        With a `level` only through lines that matter as much.
        """
        asked = {"level": level, "limit": page_size}
        query = {name: str(value) for name, value in asked.items() if value is not None}
        headers = {"Accept": "application/json"}
        while True:
            answer = self._send("GET", _path(job_id, "logs"), params=query, headers=headers)
            page = _read(LogPage, answer)
            yield from page.items
            if page.next is None:
                return
            query["after"] = str(page.next)

    def workers(self) -> tuple[Worker, ...]:
        """List the workers, the latest first, with the jobs they hold."""
        return _read(_Workers, self._send("GET", "/workers")).root

    def report(self, job_id: str) -> Report:
        """Get the diagnosis of a job that has ended: verdict, evidence, weights, what to change.

        Raises ConflictError while the job goes on, NotFoundError where it ended without one.
        """
        return _read(Report, self._send("GET", _path(job_id, "report")))

    def artifacts(self, job_id: str) -> tuple[Artifact, ...]:
        """List a job's published files."""
        return self.job(job_id).artifacts

    def download(self, job_id: str, name: str, to: Path) -> Path:
        """Download an artifact to the file `to`, or into the folder `to`; return where it lies.

        The bytes go to a `.part` file beside it. A broken connection, or an earlier call that was
        interrupted, is continued where it stopped. The file gets its name only once its SHA-256
        is the artifact's, so a file with that name is whole.
        """
        artifact = self._artifact(job_id, name)
        target = to / name if to.is_dir() else to
        # The sum in the name: the part of another version must not be continued.
        part = target.with_name(f"{target.name}.{artifact.sha256[:12]}.part")
        self._fetch(_path(job_id, "artifacts", name), artifact, part)
        _check_sum(part, artifact)
        part.replace(target)
        return target

    def _artifact(self, job_id: str, name: str) -> Artifact:
        published = {artifact.name: artifact for artifact in self.artifacts(job_id)}
        if name not in published:
            listed = ", ".join(published) or "none yet: the job has not succeeded"
            raise NoSuchArtifactError(f"{job_id} has no artifact {name!r}; published: {listed}")
        return published[name]

    def _fetch(self, path: str, artifact: Artifact, part: Path) -> None:
        """Bring `part` to its full length, continuing after each break that brought bytes."""
        part.touch()
        failures = 0
        while (size := part.stat().st_size) != artifact.bytes:
            try:
                self._fetch_rest(path, artifact, part, size if size < artifact.bytes else 0)
            except httpx.RequestError as error:
                brought = size < part.stat().st_size < artifact.bytes
                failures = 0 if brought else failures + 1
                if failures > len(BACKOFF_S):
                    raise UnreachableError(_unreachable(self._http.base_url, error)) from error
                time.sleep(BACKOFF_S[max(failures - 1, 0)])

    def _fetch_rest(self, path: str, artifact: Artifact, part: Path, size: int) -> None:
        headers = {"Accept-Encoding": "identity"}
        if size:
            headers |= {"Range": f"bytes={size}-", "If-Range": f'"{artifact.sha256}"'}
        with self._http.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                _refuse(answer)
            resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            received = 0
            with part.open("ab" if resumed else "wb") as file:
                # As they come: a chunk that is being filled would be lost in a break.
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    received += len(chunk)
                file.flush()
                os.fsync(file.fileno())
        whole = (size if resumed else 0) + received
        if whole != artifact.bytes:
            raise httpx.RemoteProtocolError(f"expected {artifact.bytes} bytes, received {whole}")

    def cancel(self, job_id: str) -> Job:
        """Ask for a job to be stopped: a queued one at once, a running one after its epoch."""
        return _read(Job, self._send("POST", _path(job_id, "cancel")))

    def pause(self, job_id: str) -> Job:
        """Ask for a job to be paused: a queued one at once, a running one after its epoch.

        It keeps its checkpoint and no slot. Raises ConflictError if it is being cancelled or over.
        """
        return _read(Job, self._send("POST", _path(job_id, "pause")))

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on from its checkpoint; one that was not paused is left as it is."""
        return _read(Job, self._send("POST", _path(job_id, "resume")))

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its curves and artifacts."""
        self._send("DELETE", _path(job_id), repeatable=False)

    def _send(
        self, method: str, path: str, *, repeatable: bool = True, **request: Any
    ) -> httpx.Response:
        """Send a request; try again where the service was away and a second try does no harm."""
        for pause in (*BACKOFF_S, None):
            try:
                answer = self._http.request(method, path, **request)
            except httpx.RequestError as error:
                # A connection that was never made carried nothing, so anything may be tried again.
                again = repeatable or isinstance(error, httpx.ConnectError)
                if pause is None or not again:
                    raise UnreachableError(_unreachable(self._http.base_url, error)) from error
            else:
                if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
                    return answer
                if pause is None or answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    _refuse(answer)
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _body(spec: Spec) -> bytes:
    if isinstance(spec, JobSpec):
        return spec.model_dump_json(exclude_unset=True).encode()
    return json.dumps(spec, allow_nan=False).encode()


def _path(job_id: str, *rest: str) -> str:
    return "/".join(["/jobs", *(quote(part, safe="") for part in (job_id, *rest))])


def _read(model: type[Model], answer: httpx.Response) -> Model:
    try:
        # A newer service may say more than this client knows.
        return model.model_validate_json(answer.content, extra="ignore")
    except ValidationError as error:
        raise UnexpectedAnswerError(
            f"expected a {model.__name__} from {answer.request.url}, received something else:"
            f" {error.errors(include_input=False, include_url=False)[0]['msg']};"
            " is the base URL a Ridgeline service of this version?"
        ) from error


def _refuse(answer: httpx.Response) -> NoReturn:
    try:
        problem = Problem.model_validate_json(answer.content, extra="ignore")
    except ValidationError:
        raise UnexpectedAnswerError(
            f"{answer.request.url} answered {answer.status_code} without a problem that this"
            " client knows; is the base URL a Ridgeline service of this version?"
        ) from None
    raise _ERRORS.get(problem.code, ProblemError)(problem)


def _unreachable(base_url: httpx.URL, error: httpx.RequestError) -> str:
    cause = str(error) or type(error).__name__
    return f"no answer from {base_url}: {cause}; is the service running there (`ridgeline up`)?"


def _check_sum(part: Path, artifact: Artifact) -> None:
    with part.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != artifact.sha256:
        part.unlink()
        raise ChecksumError(
            f"{artifact.name}: expected SHA-256 {artifact.sha256}, received {received};"
            " the bytes were removed, download it again"
        )
