"""Jobs: submit, look at, wait for, steer, delete."""

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from ridgeline.api.job import Job, JobPage, Validation
from ridgeline.client.answers import read
from ridgeline.client.errors import WaitTimeoutError
from ridgeline.client.part import Part
from ridgeline.client.transport import job_path
from ridgeline.spec.job_spec import JobSpec

#: How long one long-poll asks the service to hold its answer, in seconds.
LONG_POLL_S = 20.0
#: Least pause between two polls that brought nothing, should a service not hold its answer.
IDLE_PAUSE_S = 0.2

Spec = JobSpec | Mapping[str, Any]


class Jobs(Part):
    """The part of the client that submits jobs and follows them."""

    def submit(self, spec: Spec, idempotency_key: str | None = None) -> Job:
        """Post a job, to be trained.

        It is posted once however often the request is tried: every call carries an
        Idempotency-Key, one of its own unless given. With the same key and spec, another call, or
        another process, gets the job of the first.

        >>> job = client.submit(client.preset("imdb_mlp", rate=0.4).spec)

        Raises InvalidSpecError, whose `problem.errors` point at what is wrong, and
        IdempotencyKeyReusedError.
        """
        key = idempotency_key or str(uuid.uuid4())
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = self._service.send("POST", "/jobs", body=_body(spec), headers=headers)
        return self._read(answer)

    def validate(self, spec: Spec) -> Validation:
        """Check a spec without storing anything: what it resolves to, its size, advice on it.

        Raises InvalidSpecError.
        """
        headers = {"Content-Type": "application/json"}
        answer = self._service.send(
            "POST", "/jobs/validate", body=_body(spec), headers=headers, repeatable=True
        )
        return read(Validation, answer)

    def job(self, job_id: str) -> Job:
        """Get a job. Raises NotFoundError."""
        return self._read(self._service.send("GET", job_path(job_id)))

    def jobs(
        self,
        *,
        status: str | Collection[str] | None = None,
        tag: str | None = None,
        page_size: int = 50,
    ) -> Iterator[Job]:
        """Go through the jobs, newest first, fetching a page when it is needed.

        Args:
            status: only jobs in this state, or in one of these: a JobStatus or its name. Another
                name raises InvalidRequestError.
            tag: only jobs with this tag.
            page_size: how many to fetch at once, 100 at most.
        """
        wanted = [status] if isinstance(status, str) else [*(status or ())]
        query: dict[str, Any] = {"limit": page_size, "status": [str(each) for each in wanted]}
        if tag is not None:
            query["tag"] = tag
        while True:
            page = read(JobPage, self._service.send("GET", "/jobs", params=query))
            yield from map(self._own, page.items)
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

        >>> client.wait(job.id, on_change=lambda job: print(job.status, job.progress.fraction))

        Args:
            job_id: the job.
            timeout: seconds after which WaitTimeoutError is raised; None waits as long as it takes.
            on_change: called with the job as it is now, and then each time it changes: with every
                epoch, or less often where epochs are shorter than a request.

        A service that is away for a while, as when it is restarted, is waited for
        (`Retries.patience_s`). Raises NotFoundError, also when the job is deleted meanwhile.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        answer = self._service.send("GET", job_path(job_id))
        while True:
            job = self._read(answer)
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
            answer = self._service.send(
                "GET",
                job_path(job.id),
                patient=True,
                held_s=left,
                params={"wait": f"{left:.3f}"},
                headers={"If-None-Match": etag} if etag else {},
            )
            if answer.status_code != HTTPStatus.NOT_MODIFIED:
                return answer
            if time.monotonic() - asked < min(left, IDLE_PAUSE_S):
                time.sleep(min(left, IDLE_PAUSE_S))

    def cancel(self, job_id: str) -> Job:
        """Ask for a job to be stopped: a queued one at once, a running one after its epoch.

        Returns the job as it is then. Raises ConflictError if it has ended in another way.
        """
        return self._ask(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        """Ask for a job to be paused: a queued one at once, a running one after its epoch.

        It keeps its checkpoint and no slot. Raises ConflictError if it is being cancelled or over.
        """
        return self._ask(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on from its checkpoint; one that was not paused is left as it is.

        Raises ConflictError if it is being cancelled or over.
        """
        return self._ask(job_id, "resume")

    def _ask(self, job_id: str, verb: str) -> Job:
        # Asking for a state twice is asking for it once, so no key is needed.
        return self._read(self._service.send("POST", job_path(job_id, verb), repeatable=True))

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, with its curves and artifacts.

        Raises NotFoundError, and ConflictError while it goes on.
        """
        self._service.send("DELETE", job_path(job_id))

    def _read(self, answer: httpx.Response) -> Job:
        return self._own(read(Job, answer))

    def _own(self, job: Job) -> Job:
        """What is returned in place of a job that was read."""
        return job


def _body(spec: Spec) -> bytes:
    if isinstance(spec, JobSpec):
        return spec.model_dump_json(exclude_unset=True).encode()
    return json.dumps(spec, allow_nan=False).encode()
