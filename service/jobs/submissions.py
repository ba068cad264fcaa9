"""Stores posted jobs; jobs that wait for the database at the same time share a transaction."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from pydantic import TypeAdapter

from ridgeline.api.datasets import StoredDataset
from ridgeline.failpoints import failpoint
from ridgeline.planning.advice import Advice
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.faults import Fault, SpecError
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.regularization.regularizers import PenaltyTerm
from ridgeline.storage import (
    Created,
    DatabaseUnavailable,
    Idempotency,
    JobStore,
    NewJob,
    UnknownDataset,
)
from ridgeline.storage.files.datasets import DatasetStore
from service.http.bodies import parse_spec
from service.http.representations import dataset_json

GATHER_S = 0.02
"""How long jobs are parsed before the parsed ones are stored, however many more wait."""
_PENALTIES = TypeAdapter(tuple[PenaltyTerm, ...])
_ADVICE = TypeAdapter(tuple[Advice, ...])
_Submission = tuple[NewJob, Idempotency | None]
_OUTCOMES = (Created, Exception)


class Posted(NamedTuple):
    """The body of a POST and its idempotency key."""

    body: bytes
    idempotency_key: str | None


class _Waiting(NamedTuple):
    posted: Posted
    answer: asyncio.Future[Created]


class Submissions:
    """Parses and stores jobs in the threads of `writers`, then calls `wake`. Use it in one loop.

    With `together`, one thread stores all jobs that arrived while it stored the previous ones:
    SQLite has a single writer, and most of a transaction is its wait for the disk. PostgreSQL
    groups commits by itself.
    """

    def __init__(
        self,
        jobs: JobStore,
        *,
        datasets: DatasetStore,
        memory_limit: int,
        wake: Callable[[], None],
        writers: Executor,
        together: bool,
    ) -> None:
        self._jobs = jobs
        self._datasets = datasets
        self._memory_limit = memory_limit
        self._wake = wake
        self._writers = writers
        self._together = together
        self._waiting: deque[_Waiting] = deque()
        self._storing: asyncio.Task[None] | None = None

    async def submit(self, body: bytes, idempotency_key: str | None) -> Created:
        """Store a job durably, or find the one that the key created, and wake the dispatch.

        The broker is not used here, so jobs are accepted while it is down. Raises
        MalformedJson, SpecError, IdempotencyConflict and DatabaseUnavailable. A faulty job fails no
        other.
        """
        posted = Posted(body, idempotency_key)
        if not self._together:
            (outcome,) = await self._in_thread([posted])
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        waiting = _Waiting(posted, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_waiting())
        return await waiting.answer

    async def _store_waiting(self) -> None:
        try:
            while self._waiting:
                posted = [waiting.posted for waiting in self._waiting]
                for outcome in await self._in_thread(posted):
                    _answer(self._waiting.popleft(), outcome)
        except Exception as error:  # noqa: BLE001 -- raised to all who would wait forever
            while self._waiting:
                _answer(self._waiting.popleft(), error)
        finally:
            self._storing = None

    async def _in_thread(self, posted: Sequence[Posted]) -> list[Created | Exception]:
        return await asyncio.get_running_loop().run_in_executor(self._writers, self._store, posted)

    def _store(self, posted: Sequence[Posted]) -> list[Created | Exception]:
        """Store the first of `posted`, at least one; return an outcome for each of these."""
        parsed = self._parse(posted)
        stored = iter(self._create([item for item in parsed if not isinstance(item, _OUTCOMES)]))
        failpoint("submit.committed")
        if not all(isinstance(item, _OUTCOMES) for item in parsed):
            self._wake()
        failpoint("submit.before_answer")
        return [item if isinstance(item, _OUTCOMES) else next(stored) for item in parsed]

    def _parse(self, posted: Sequence[Posted]) -> list[_Submission | Created | Exception]:
        parsed: list[_Submission | Created | Exception] = []
        deadline = time.monotonic() + GATHER_S
        for request in posted:
            try:
                parsed.append(self._submission(request))
            except Exception as error:  # noqa: BLE001 -- raised to the sender of the job
                parsed.append(error)
            if time.monotonic() > deadline:
                break
        return parsed

    def _submission(self, posted: Posted) -> _Submission | Created:
        key = None
        if posted.idempotency_key is not None:
            key = Idempotency(posted.idempotency_key, hashlib.sha256(posted.body).hexdigest())
        spec = parse_spec(posted.body)
        try:
            whole = with_stored(spec, self._datasets)
        except SpecError:
            # The data set may be deleted since the key created the job: return that job.
            original = self._jobs.created_by(key) if key is not None else None
            if original is None:
                raise
            return original
        return new_job(spec, resolve(whole, memory_limit=self._memory_limit)), key

    def _create(self, submissions: Sequence[_Submission]) -> Sequence[Created | Exception]:
        if not submissions:
            return []
        try:
            outcomes = self._jobs.create_all(submissions)
            return [_as_spec_error(outcome) for outcome in outcomes]
        except DatabaseUnavailable as error:
            return [error] * len(submissions)
        except Exception as error:  # noqa: BLE001 -- raised to the sender of the job
            if len(submissions) == 1:
                return [error]
            # One of them cannot be stored, which rolled the others back.
            return [self._create([submission])[0] for submission in submissions]


def new_job(spec: JobSpec, resolution: Resolution) -> NewJob:
    """The job as it is stored."""
    return NewJob(
        name=spec.name,
        tags=spec.tags,
        # Omitted fields stay omitted: a regularizer of null means none, not the policy's.
        spec=spec.model_dump_json(exclude_unset=True),
        resolved=resolution.spec.model_dump_json(),
        epochs=spec.training.epochs,
        dataset_id=stored_id(spec),
        deadline_s=spec.training.deadline_s,
        penalties=_PENALTIES.dump_json(resolution.penalties).decode(),
        advice=_ADVICE.dump_json(resolution.advice).decode(),
    )


def _as_spec_error(outcome: Created | Exception) -> Created | Exception:
    """The outcome, an unknown data set as a fault of the spec."""
    return unknown_dataset() if isinstance(outcome, UnknownDataset) else outcome


def _answer(waiting: _Waiting, outcome: Created | Exception) -> None:
    if waiting.answer.done():
        return  # the client is gone; the job is stored all the same
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)


def with_stored(spec: JobSpec, datasets: DatasetStore) -> JobSpec:
    """The spec with the contents of its stored data set, if it names one.

    Contents that the client sent are replaced. Raises SpecError for an unknown data set.
    """
    if not isinstance(spec.dataset, UploadDataset):
        return spec
    record = datasets.get(spec.dataset.id)
    if record is None:
        raise unknown_dataset()
    stored = StoredDataset.model_validate_json(dataset_json(record))
    return spec.model_copy(update={"dataset": spec.dataset.with_stored(stored.snapshot())})


def stored_id(spec: JobSpec) -> str | None:
    """The id of the stored data set that a spec names; None for other data sets."""
    return spec.dataset.id if isinstance(spec.dataset, UploadDataset) else None


def unknown_dataset() -> SpecError:
    """Make the error of a spec that names an unknown data set."""
    detail = (
        "no stored data set has this id; it may have been deleted. Expected an id from GET"
        " /datasets; POST /datasets with the same file restores the same id"
    )
    return SpecError([Fault(pointer="/dataset/id", detail=detail, rule="unknown-dataset")])
