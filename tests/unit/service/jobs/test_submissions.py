"""Jobs that are posted together: one transaction, and an answer for each."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ridgeline.spec.faults import SpecError
from ridgeline.storage import (
    Created,
    Database,
    DatabaseUnavailable,
    Idempotency,
    IdempotencyConflict,
    JobStore,
    NewJob,
)
from ridgeline.storage.files.datasets import DatasetStore
from service.errors import MalformedJson
from service.http.documentation import IRIS
from service.jobs import submissions
from service.jobs.submissions import Submissions

BODY = json.dumps(IRIS).encode()
UNFIT = json.dumps({**IRIS, "outputs": ["onnx"], "split": {"validation": 0.999}}).encode()


class CountingStore(JobStore):
    """A store that counts the jobs of each call, and can be down."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.groups: list[int] = []
        self.up = True

    def create_all(self, submissions: Sequence[tuple[NewJob, Idempotency | None]]) -> Any:
        self.groups.append(len(submissions))
        if not self.up:
            raise DatabaseUnavailable
        return super().create_all(submissions)


class Poster:
    """Posts while the one writer is busy, so that all jobs wait together."""

    def __init__(self, store: CountingStore, writers: ThreadPoolExecutor) -> None:
        self.woken = 0
        self._writers = writers
        self._submissions = Submissions(
            store,
            datasets=DatasetStore(store._database),
            memory_limit=2**30,
            wake=self._wake,
            writers=writers,
            together=True,
        )

    def post(self, *posted: tuple[bytes, str | None]) -> list[Created | BaseException]:
        return asyncio.run(self._post(posted))

    async def _post(
        self, posted: Sequence[tuple[bytes, str | None]]
    ) -> list[Created | BaseException]:
        busy = threading.Event()
        self._writers.submit(busy.wait, 10)
        first = asyncio.create_task(self._submissions.submit(BODY, None))
        await asyncio.sleep(0)  # it has been handed to the thread
        others = [asyncio.create_task(self._submissions.submit(*each)) for each in posted]
        await asyncio.sleep(0)
        busy.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        return list(answers[1:])

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CountingStore]:
    database = Database(f"sqlite:///{tmp_path}/records.db")
    database.migrate()
    yield CountingStore(database)
    database.close()


@pytest.fixture
def poster(store: CountingStore) -> Iterator[Poster]:
    with ThreadPoolExecutor(1) as writers:
        yield Poster(store, writers)


@pytest.fixture
def ids(store: CountingStore) -> Callable[[], set[str]]:
    """The stored jobs without the first."""
    return lambda: {record.id for record in store.list().records[:-1]}


def test_jobs_that_wait_together_are_stored_together(
    store: CountingStore, poster: Poster, ids: Callable[[], set[str]]
) -> None:
    answers = poster.post(*[(BODY, None)] * 6)
    assert store.groups == [1, 6]
    assert poster.woken == 2
    assert {each.record.id for each in answers if isinstance(each, Created)} == ids()
    assert len(ids()) == 6


def test_a_faulty_job_fails_no_other(
    store: CountingStore, poster: Poster, ids: Callable[[], set[str]]
) -> None:
    good, malformed, unfit, again, conflict = poster.post(
        (BODY, "key"), (b"{", None), (UNFIT, None), (BODY, "key"), (b" " + BODY, "key")
    )
    assert store.groups == [1, 3]
    assert isinstance(malformed, MalformedJson)
    assert isinstance(unfit, SpecError)
    assert isinstance(conflict, IdempotencyConflict)
    assert isinstance(good, Created)
    assert isinstance(again, Created)
    assert (good.replayed, again.replayed) == (False, True)
    assert again.record == good.record
    assert ids() == {good.record.id}


def test_a_job_that_the_database_rejects_fails_no_other(
    store: CountingStore,
    poster: Poster,
    ids: Callable[[], set[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = submissions.new_job

    def unstorable(spec: Any, resolution: Any) -> NewJob:
        new = real(spec, resolution)
        return NewJob(spec="\ud800", resolved="{}", epochs=1) if spec.name == "bad" else new

    monkeypatch.setattr(submissions, "new_job", unstorable)
    bad = json.dumps({**IRIS, "name": "bad"}).encode()
    before, refused, behind = poster.post((BODY, "a"), (bad, "b"), (BODY, "c"))
    assert store.groups == [1, 3, 1, 1, 1]
    assert isinstance(refused, UnicodeEncodeError)
    assert isinstance(before, Created)
    assert isinstance(behind, Created)
    assert ids() == {before.record.id, behind.record.id}
    assert not before.replayed


def test_an_outage_of_the_database_fails_all(store: CountingStore, poster: Poster) -> None:
    store.up = False
    answers = poster.post((BODY, None), (BODY, None), (b"{", None))
    kinds = [DatabaseUnavailable, DatabaseUnavailable, MalformedJson]
    assert [type(each) for each in answers] == kinds
    store.up = True
    (answer,) = poster.post((BODY, None))
    assert isinstance(answer, Created)


def test_a_slow_spec_delays_no_earlier_job(
    store: CountingStore, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "GATHER_S", 0.0)
    answers = poster.post(*[(BODY, None)] * 3)
    assert store.groups == [1, 1, 1, 1]
    assert all(isinstance(each, Created) for each in answers)


def test_a_cancelled_request_disturbs_no_other(store: CountingStore) -> None:
    async def post(writers: ThreadPoolExecutor) -> Created:
        busy = threading.Event()
        writers.submit(busy.wait, 10)
        posting = Submissions(
            store,
            datasets=DatasetStore(store._database),
            memory_limit=2**30,
            wake=lambda: None,
            writers=writers,
            together=True,
        )
        gone = asyncio.create_task(posting.submit(BODY, None))
        stays = asyncio.create_task(posting.submit(BODY, None))
        await asyncio.sleep(0)
        gone.cancel()
        busy.set()
        return await stays

    with ThreadPoolExecutor(1) as writers:
        record = asyncio.run(post(writers)).record
    assert store.get(record.id) == record
    assert len(store.list().records) == 2  # the other may have got its answer, so it is kept


def test_a_failed_thread_fails_all_waiting_jobs(store: CountingStore) -> None:
    async def post(writers: ThreadPoolExecutor) -> list[Created | BaseException]:
        posting = Submissions(
            store,
            datasets=DatasetStore(store._database),
            memory_limit=2**30,
            wake=lambda: None,
            writers=writers,
            together=True,
        )
        both = (posting.submit(BODY, None) for _ in range(2))
        return await asyncio.wait_for(asyncio.gather(*both, return_exceptions=True), 10)

    writers = ThreadPoolExecutor(1)
    writers.shutdown()
    assert [type(each) for each in asyncio.run(post(writers))] == [RuntimeError, RuntimeError]
