"""The services: what requests work with, made once per application, and the loops beside them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    Database,
    DatabaseUnavailable,
    EventRecords,
    EventStore,
    FigureStore,
    ForeignStore,
    JobStore,
    LeaseStore,
    Outbox,
    UnusableArtifactStore,
    WorkerStore,
    open_artifacts,
)
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetStore,
    UploadStore,
    open_datasets,
)
from ridgeline.storage.files.garbage import ArtifactGarbage, DatasetGarbage
from ridgeline.storage.ownership import Ownership, StoreLocation
from service.curves.renderer import Renderer
from service.datasets.inspector import AT_ONCE, Inspector
from service.datasets.inspector_child import Bounds
from service.datasets.receiving import Receiver
from service.events.live import Feed, ReadEvents, Watcher
from service.janitor import (
    Janitor,
    Leftovers,
    Reaper,
    Redispatch,
    Repeating,
    StallAlarm,
    Sweep,
)
from service.jobs.dispatch import CeleryDispatch, NoBroker, open_dispatch
from service.jobs.submissions import Submissions
from service.settings import Settings

WRITERS = 8
"""Threads that store jobs in PostgreSQL. SQLite gets one: more would only wait for its lock, and
compete for the interpreter."""
FILE_THREADS = 16
"""Threads that read files for downloads: a bucket is slow to answer."""
CURVES = 2
"""Curves that are gathered at the same time: long ones take memory and the interpreter."""
SWEEP_GAP_S = 0.05
"""Hints of jobs that arrive faster than this are sent together, with one write to the database."""

LEFTOVERS_INTERVAL_S = 60.0
"""How often to delete checkpoints of jobs that ended without a worker, and staged files of dead
processes."""
STALL_INTERVAL_S = 10.0
"""How often to look for jobs that no worker claims."""
FORGET_INTERVAL_S = 3600.0
"""How often to delete records of workers that ended long ago."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DatasetServices:
    """What requests about data sets work with."""

    store: DatasetStore
    lookups: DatasetStore
    """The same data sets, for read()."""
    uploads: UploadStore
    files: DatasetFiles
    receiver: Receiver
    inspector: Inspector
    garbage: DatasetGarbage
    assembling: asyncio.Semaphore
    """Limits how many uploads are joined at the same time: each needs disk space for its file."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """What requests work with."""

    settings: Settings
    database: Database
    jobs: JobStore
    lookups: JobStore
    """The same jobs, for read(). With SQLite it has its own connection, so the event loop never
    waits for one that a thread holds."""
    curves: asyncio.Semaphore
    """Limits how many curves are gathered at the same time."""
    renderer: Renderer
    artifacts: ArtifactStore
    ownership: Ownership
    """Confirm it before storing or deleting a file."""
    datasets: DatasetServices
    readers: Executor
    dispatch: CeleryDispatch | NoBroker
    janitor: Janitor
    watcher: Watcher
    read_events: ReadEvents
    feed: Feed
    submissions: Submissions


async def get_services(request: Request) -> Services:
    """The services of the application that serves `request`."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


async def read(
    database: Database,
    call: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Make a short read by key where it is fastest.

    SQLite is read in the event loop: reading a row of a local file is faster than a round trip to a
    thread, and readers never wait for writers. `call` must be a method of Services.lookups or
    Services.datasets.lookups.
    """
    if database.is_sqlite:
        return call(*args, **kwargs)
    return await run_in_threadpool(call, *args, **kwargs)


@contextmanager
def running(settings: Settings) -> Iterator[Services]:
    """Make the services, with the database migrated and the loops running; close them at the end.

    Raises StorageError if the database or the file store cannot be used.
    """
    with ExitStack() as closing:
        yield _services(settings, closing)


def _services(settings: Settings, closing: ExitStack) -> Services:
    database, for_lookups = _databases(settings, closing)
    reads = _Reads(database, for_lookups)
    dispatch = open_dispatch(settings.redis_url)
    closing.callback(dispatch.close)
    artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
    datasets = _dataset_services(settings, database, for_lookups)
    ownership = _ownership(database, artifacts, datasets)
    janitor = _janitor(settings, database, artifacts, datasets, ownership, dispatch)
    janitor.start()
    closing.callback(janitor.stop)
    submissions = _submissions(settings, database, datasets, janitor, closing)
    readers = ThreadPoolExecutor(FILE_THREADS, "files")
    closing.callback(readers.shutdown, wait=False, cancel_futures=True)
    closing.callback(datasets.inspector.close)
    renderer = Renderer()
    closing.callback(renderer.close)
    watcher = Watcher(reads.versions, settings.watch_interval_s)
    closing.callback(watcher.close)
    return Services(
        settings=settings,
        database=database,
        jobs=JobStore(database),
        lookups=reads.jobs,
        curves=asyncio.Semaphore(CURVES),
        renderer=renderer,
        artifacts=artifacts,
        ownership=ownership,
        datasets=datasets,
        readers=readers,
        dispatch=dispatch,
        janitor=janitor,
        watcher=watcher,
        read_events=reads.events_after,
        feed=Feed(reads.events_after, settings.max_streams),
        submissions=submissions,
    )


def _databases(settings: Settings, closing: ExitStack) -> tuple[Database, Database]:
    """The database, migrated, and the same one for read()."""
    url = settings.database_url.get_secret_value()
    database = Database(url)
    closing.callback(database.close)
    database.migrate()
    for_lookups = Database(url, pool_size=1) if database.is_sqlite else database
    closing.callback(for_lookups.close)
    return database, for_lookups


def _dataset_services(
    settings: Settings, database: Database, for_lookups: Database
) -> DatasetServices:
    store, files = DatasetStore(database), open_datasets(settings)
    uploads = UploadStore(database, settings.upload_keep_s)
    bounds = Bounds(settings.inspection_memory_bytes, settings.inspection_timeout_s)
    return DatasetServices(
        store=store,
        lookups=DatasetStore(for_lookups),
        uploads=uploads,
        files=files,
        receiver=Receiver(settings.body_timeout_s),
        inspector=Inspector(bounds),
        garbage=DatasetGarbage(store, uploads, files, settings.garbage_age_s),
        assembling=asyncio.Semaphore(AT_ONCE),  # more could not be inspected
    )


class _Reads:
    """Frequent reads, made through read()."""

    def __init__(self, database: Database, for_lookups: Database) -> None:
        self._database = database
        self.jobs = JobStore(for_lookups)
        self._events = EventStore(for_lookups)

    async def versions(self, job_ids: Collection[str]) -> dict[str, int]:
        return await read(self._database, self.jobs.versions, job_ids)

    async def events_after(
        self, job_id: str, after: int, limit: int, max_bytes: int
    ) -> EventRecords | None:
        return await read(self._database, self._events.page, job_id, after, limit, max_bytes)


def _submissions(
    settings: Settings,
    database: Database,
    datasets: DatasetServices,
    janitor: Janitor,
    closing: ExitStack,
) -> Submissions:
    writers = ThreadPoolExecutor(1 if database.is_sqlite else WRITERS, "writer")
    closing.callback(writers.shutdown)
    return Submissions(
        JobStore(database),
        datasets=datasets.store,
        memory_limit=settings.memory_limit_bytes,
        wake=janitor.wake,
        writers=writers,
        together=database.is_sqlite,
    )


def _ownership(
    database: Database, artifacts: ArtifactStore, datasets: DatasetServices
) -> Ownership:
    """Check the file store. Jobs are accepted even while it is unusable.

    Raises ForeignStore if it belongs to another database.
    """
    ownership = Ownership(database, StoreLocation(artifacts, datasets.files))
    try:
        artifacts.check()
        ownership.compare()
    except ForeignStore:
        raise
    except (ArtifactsUnavailable, DatabaseUnavailable, UnusableArtifactStore) as error:
        logger.error("the files of jobs are not available: %s", error)  # noqa: TRY400 - no trace
    return ownership


def _janitor(
    settings: Settings,
    database: Database,
    artifacts: ArtifactStore,
    datasets: DatasetServices,
    ownership: Ownership,
    dispatch: CeleryDispatch | NoBroker,
) -> Janitor:
    outbox = Outbox(database)
    sweep = Repeating("sweep", Sweep(outbox, dispatch), settings.sweep_interval_s, SWEEP_GAP_S)
    leases = LeaseStore(database, crash_cap=settings.crash_cap)
    reaper = Reaper(leases, settings.lease_s, settings.reap_interval_s)
    redispatch = Redispatch(outbox, dispatch, sweep.wake)
    # Guarded: these three would delete the files of another database's jobs.
    leftovers = ownership.guarding(Leftovers(JobStore(database), artifacts))
    garbage = ownership.guarding(
        ArtifactGarbage(JobStore(database), artifacts, settings.garbage_age_s)
    )
    unrecorded = ownership.guarding(datasets.garbage)
    workers = WorkerStore(database)
    alarm = StallAlarm(FigureStore(database), workers, settings.lease_s)
    return Janitor(
        sweep,
        Repeating("redispatch", redispatch, settings.redispatch_interval_s),
        Repeating("reaper", reaper, settings.reap_interval_s),
        Repeating("leftovers", leftovers, LEFTOVERS_INTERVAL_S),
        Repeating("garbage", garbage, settings.garbage_interval_s),
        Repeating("garbage of data sets", unrecorded, settings.garbage_interval_s),
        Repeating("broken uploads", datasets.files.clear_abandoned, LEFTOVERS_INTERVAL_S),
        Repeating("stall alarm", alarm, STALL_INTERVAL_S),
        Repeating("forget workers", lambda: workers.forget() > 0, FORGET_INTERVAL_S),
    )
