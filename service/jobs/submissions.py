"""Stores jobs that are posted; those that wait for the database together share a transaction."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from pydantic import TypeAdapter

from ridgeline.failpoints import failpoint
from ridgeline.planning.advice import Advice
from ridgeline.planning.resolve import Resolution, resolve
from ridgeline.spec.faults import SpecError
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
from service.jobs.stored_data import unknown_dataset, uploaded_id, with_stored

GATHER_S = 0.02
"""How long jobs are read before those that have been are stored, however many more wait."""

_PENALTIES = TypeAdapter(tuple[PenaltyTerm, ...])
_ADVICE = TypeAdapter(tuple[Advice, ...])


class Posted(NamedTuple):
    """The body of a POST, and its key."""

    body: bytes
    idempotency_key: str | None


class _Waiting(NamedTuple):
    posted: Posted
    answer: asyncio.Future[Created]


_Submission = tuple[NewJob, Idempotency | None]
_ANSWERED = (Created, Exception)


class Submissions:
    """Reads and stores jobs in the threads of `writers`, then calls `wake`. Use it in one loop.

    With `together`, one thread stores what came in while it stored the jobs before: SQLite has one
    writer at a time, and what a transaction costs is mostly its wait for the disk. PostgreSQL
    gathers commits by itself.
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
        """Store a job durably, or find the one that the key created, and have a worker told.

        The broker is not asked for anything here, so a job is taken while it is away. Raises
        ApiProblem (malformed-json, invalid-spec), SpecError, IdempotencyConflict and
        DatabaseUnavailable: what is wrong with one job fails no other.
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
                posted = [each.posted for each in self._waiting]
                for outcome in await self._in_thread(posted):
                    _answer(self._waiting.popleft(), outcome)
        except Exception as error:  # noqa: BLE001 -- it goes to all who would wait for ever
            while self._waiting:
                _answer(self._waiting.popleft(), error)
        finally:
            self._storing = None

    async def _in_thread(self, posted: Sequence[Posted]) -> list[Created | Exception]:
        return await asyncio.get_running_loop().run_in_executor(self._writers, self._store, posted)

    def _store(self, posted: Sequence[Posted]) -> list[Created | Exception]:
        """Store the first ones of `posted`, one at least; say what became of each of them."""
        read = self._read(posted)
        stored = iter(self._create([each for each in read if not isinstance(each, _ANSWERED)]))
        failpoint("submit.committed")
        if not all(isinstance(each, _ANSWERED) for each in read):
            self._wake()
        failpoint("submit.before_answer")
        return [each if isinstance(each, _ANSWERED) else next(stored) for each in read]

    def _read(self, posted: Sequence[Posted]) -> list[_Submission | Created | Exception]:
        read: list[_Submission | Created | Exception] = []
        enough = time.monotonic() + GATHER_S
        for each in posted:
            try:
                read.append(self._submission(each))
            except Exception as error:  # noqa: BLE001 -- it goes to the one who sent the job
                read.append(error)
            if time.monotonic() > enough:
                break
        return read

    def _submission(self, posted: Posted) -> _Submission | Created:
        key = None
        if posted.idempotency_key is not None:
            key = Idempotency(posted.idempotency_key, hashlib.sha256(posted.body).hexdigest())
        spec = parse_spec(posted.body)
        try:
            whole = with_stored(spec, self._datasets)
        except SpecError:
            # The data set may be gone since the key made the job: that is still the answer.
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
            return [_told(outcome) for outcome in outcomes]
        except DatabaseUnavailable as error:
            return [error] * len(submissions)
        except Exception as error:  # noqa: BLE001 -- it goes to the one whose job it is about
            if len(submissions) == 1:
                return [error]
            # One of them cannot be stored, and has taken the others back with it.
            return [self._create([each])[0] for each in submissions]


def new_job(spec: JobSpec, resolution: Resolution) -> NewJob:
    """The job as it is stored."""
    return NewJob(
        name=spec.name,
        tags=spec.tags,
        # What was left out stays out: a regularizer of null would mean none, not the policy's.
        spec=spec.model_dump_json(exclude_unset=True),
        resolved=resolution.spec.model_dump_json(),
        epochs=spec.training.epochs,
        dataset_id=uploaded_id(spec),
        deadline_s=spec.training.deadline_s,
        penalties=_PENALTIES.dump_json(resolution.penalties).decode(),
        advice=_ADVICE.dump_json(resolution.advice).decode(),
    )


def _told(outcome: Created | Exception) -> Created | Exception:
    """The outcome as a POST answers it."""
    return unknown_dataset() if isinstance(outcome, UnknownDataset) else outcome


def _answer(waiting: _Waiting, outcome: Created | Exception) -> None:
    if waiting.answer.done():
        return  # whoever sent it is gone; the job is stored all the same
    if isinstance(outcome, Exception):
        waiting.answer.set_exception(outcome)
    else:
        waiting.answer.set_result(outcome)
