"""What runs while the application serves: the parts of requests, and the loops beside them."""

import asyncio
import logging
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

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
from ridgeline.storage.files.artifacts.garbage import Garbage
from ridgeline.storage.ownership import Ownership, Place
from service.charts.rendering import Renderer
from service.events.feed import Feed
from service.events.watch import Watcher
from service.janitor import Janitor, Leftovers, Reaper, Redispatch, Repeating, Sweep
from service.jobs.dispatch import CeleryDispatch, NoBroker, open_dispatch
from service.jobs.submissions import Submissions
from service.services import DatasetParts, Parts, dataset_parts, read
from service.settings import Settings
from service.system.workers import StallAlarm

WRITERS = 8
"""Threads that store jobs in PostgreSQL. SQLite has one: more would wait for its lock all the same,
and fight for the interpreter."""
FILE_THREADS = 16
"""Threads that read files which are downloaded: a bucket takes its time to answer."""
CURVES = 2
"""Curves that are put together at once."""
SWEEP_GAP_S = 0.05
"""Hints of jobs that come faster than this go out together, and cost the database one write."""

LEFTOVERS_INTERVAL_S = 60.0
"""How often checkpoints are looked for whose job has ended without a worker, and staged files whose
process has died."""
STALL_INTERVAL_S = 10.0
"""How often jobs are looked for that nobody takes."""
FORGET_INTERVAL_S = 3600.0
"""How often workers are looked for that ended long ago."""

logger = logging.getLogger(__name__)


@contextmanager
def running(settings: Settings) -> Iterator[Parts]:
    """Everything a request needs, with the database migrated and the loops running.

    Raises StorageError where the database or the store of files does not allow it.
    """
    with ExitStack() as closing:  # what came last goes first
        yield _parts(settings, closing)


def _parts(settings: Settings, closing: ExitStack) -> Parts:
    database, own = _databases(settings, closing)
    reads = _Reads(database, own)
    dispatch = open_dispatch(settings.redis_url)
    closing.callback(dispatch.close)
    artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
    uploaded = dataset_parts(settings, database, own)
    ownership = _ownership(database, artifacts, uploaded)
    janitor = _janitor(settings, database, artifacts, uploaded, ownership, dispatch)
    janitor.start()
    closing.callback(janitor.stop)
    submissions = _submissions(settings, database, uploaded, janitor, closing)
    readers = ThreadPoolExecutor(FILE_THREADS, "files")
    closing.callback(readers.shutdown, wait=False, cancel_futures=True)
    closing.callback(uploaded.close)
    renderer = Renderer()
    closing.callback(renderer.close)
    watcher = Watcher(reads.versions, settings.watch_interval_s)
    closing.callback(watcher.close)
    return Parts(
        settings=settings,
        database=database,
        jobs=JobStore(database),
        lookups=reads.jobs,
        curves=asyncio.Semaphore(CURVES),
        renderer=renderer,
        artifacts=artifacts,
        ownership=ownership,
        datasets=uploaded,
        readers=readers,
        dispatch=dispatch,
        janitor=janitor,
        watcher=watcher,
        read_events=reads.events_behind,
        feed=Feed(reads.events_behind, settings.max_streams),
        submissions=submissions,
    )


def _databases(settings: Settings, closing: ExitStack) -> tuple[Database, Database]:
    """The database, migrated, and the same for deps.read()."""
    url = settings.database_url.get_secret_value()
    database = Database(url)
    closing.callback(database.close)
    database.migrate()
    own = Database(url, pool_size=1) if database.is_sqlite else database
    closing.callback(own.close)
    return database, own


class _Reads:
    """What is read so often that deps.read() decides where."""

    def __init__(self, database: Database, own: Database) -> None:
        self._database = database
        self.jobs = JobStore(own)
        self._events = EventStore(own)

    async def versions(self, job_ids: Collection[str]) -> dict[str, int]:
        return await read(self._database, self.jobs.versions, job_ids)

    async def events_behind(
        self, job_id: str, after: int, limit: int, max_bytes: int
    ) -> EventRecords | None:
        return await read(self._database, self._events.behind, job_id, after, limit, max_bytes)


def _submissions(
    settings: Settings,
    database: Database,
    uploaded: DatasetParts,
    janitor: Janitor,
    closing: ExitStack,
) -> Submissions:
    writers = ThreadPoolExecutor(1 if database.is_sqlite else WRITERS, "writer")
    closing.callback(writers.shutdown)
    return Submissions(
        JobStore(database),
        datasets=uploaded.store,
        memory_limit=settings.memory_limit_bytes,
        wake=janitor.wake,
        writers=writers,
        together=database.is_sqlite,
    )


def _ownership(database: Database, artifacts: ArtifactStore, uploaded: DatasetParts) -> Ownership:
    """Say what is wrong with the store of files; jobs are taken all the same.

    But not beside another database's files: raises ForeignStore.
    """
    ownership = Ownership(database, Place(artifacts, uploaded.files))
    try:
        artifacts.check()
        ownership.compare()
    except ForeignStore:
        raise
    except (ArtifactsUnavailable, DatabaseUnavailable, UnusableArtifactStore) as error:
        logger.error("files of jobs cannot be had: %s", error)  # noqa: TRY400 - the message suffices
    return ownership


def _janitor(
    settings: Settings,
    database: Database,
    artifacts: ArtifactStore,
    uploaded: DatasetParts,
    ownership: Ownership,
    dispatch: CeleryDispatch | NoBroker,
) -> Janitor:
    outbox = Outbox(database)
    sweep = Repeating("sweep", Sweep(outbox, dispatch), settings.sweep_interval_s, SWEEP_GAP_S)
    leases = LeaseStore(database, crash_cap=settings.crash_cap)
    reaper = Reaper(leases, settings.lease_s, settings.reap_interval_s)
    redispatch = Redispatch(outbox, dispatch, sweep.wake)
    # What another database's jobs have in the store would be garbage to these three.
    leftovers = ownership.guarding(Leftovers(JobStore(database), artifacts))
    garbage = ownership.guarding(Garbage(JobStore(database), artifacts, settings.garbage_age_s))
    unrecorded = ownership.guarding(uploaded.garbage)
    registered = WorkerStore(database)
    alarm = StallAlarm(FigureStore(database), registered, settings.lease_s)
    return Janitor(
        sweep,
        Repeating("redispatch", redispatch, settings.redispatch_interval_s),
        Repeating("reaper", reaper, settings.reap_interval_s),
        Repeating("leftovers", leftovers, LEFTOVERS_INTERVAL_S),
        Repeating("garbage", garbage, settings.garbage_interval_s),
        Repeating("garbage of data sets", unrecorded, settings.garbage_interval_s),
        Repeating("broken uploads", uploaded.files.clear_abandoned, LEFTOVERS_INTERVAL_S),
        Repeating("stall alarm", alarm, STALL_INTERVAL_S),
        Repeating("forget workers", lambda: registered.forget() > 0, FORGET_INTERVAL_S),
    )
