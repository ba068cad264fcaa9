"""The application: parts, routes, and what runs beside them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import Depends, FastAPI

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
from ridgeline.storage.garbage import Garbage
from ridgeline.storage.ownership import Ownership, Place
from ridgeline.version import VERSION
from service.datasets.dataset_parts import DatasetParts, dataset_parts
from service.deps import Parts, read
from service.dispatch import CeleryDispatch
from service.http import problems
from service.http.openapi_document import document
from service.http.parameters import refuse_unknown
from service.http.routing import HeadLikeGet
from service.janitor import Janitor, Leftovers, Reaper, Redispatch, Repeating, Sweep
from service.live.feed import Feed
from service.live.watch import Watcher
from service.operations.workers import StallAlarm
from service.rendering import Renderer
from service.routes import (
    artifacts,
    catalog,
    charts,
    comparison,
    curves,
    dashboard,
    datasets,
    events,
    health,
    jobs,
    logs,
    metrics,
    presets,
    reports,
    uploads,
    workers,
)
from service.settings import Settings
from service.submissions import Submissions

DESCRIPTION = "Trains Keras models from JSON, and says what the regularization did."
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

_ROUTES = (
    *(jobs, curves, charts, comparison, events, logs, reports, artifacts),
    *(datasets, uploads),
    *(workers, catalog, presets, health, metrics),
    dashboard,
)

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; by default the environment says how."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Made here and not before: connections must not be carried over a fork.
        with _running(chosen) as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Ridgeline",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown)],
        separate_input_output_schemas=False,
        # The interactive pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.add_middleware(HeadLikeGet)
    problems.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Build the document when it is first asked for: most processes never are."""
    app.openapi_schema = app.openapi_schema or document(app)
    return app.openapi_schema


@contextmanager
def _running(settings: Settings) -> Iterator[Parts]:
    """Everything a request needs, with the database migrated and the loops running."""
    url = settings.database_url.get_secret_value()
    database = Database(url)
    database.migrate()
    dispatch = CeleryDispatch(settings.redis_url.get_secret_value())
    artifacts = open_artifacts(settings.artifacts_url, settings.artifacts_dir)
    own = Database(url, pool_size=1) if database.is_sqlite else database
    uploaded = dataset_parts(settings, database, own)
    ownership = _ownership(database, artifacts, uploaded)
    janitor = _janitor(settings, database, artifacts, uploaded, ownership, dispatch)
    lookups, happenings = JobStore(own), EventStore(own)
    file_threads = ThreadPoolExecutor(FILE_THREADS, "files")
    writers = ThreadPoolExecutor(1 if database.is_sqlite else WRITERS, "writer")

    async def versions(job_ids: Collection[str]) -> dict[str, int]:
        return await read(database, lookups.versions, job_ids)

    async def events_behind(
        job_id: str, after: int, limit: int, max_bytes: int
    ) -> EventRecords | None:
        return await read(database, happenings.behind, job_id, after, limit, max_bytes)

    parts = Parts(
        settings=settings,
        database=database,
        jobs=JobStore(database),
        lookups=lookups,
        curves=asyncio.Semaphore(CURVES),
        renderer=Renderer(),
        artifacts=artifacts,
        ownership=ownership,
        datasets=uploaded,
        readers=file_threads,
        dispatch=dispatch,
        janitor=janitor,
        watcher=Watcher(versions, settings.watch_interval_s),
        read_events=events_behind,
        feed=Feed(events_behind, settings.max_streams),
        submissions=Submissions(
            JobStore(database),
            datasets=uploaded.store,
            memory_limit=settings.memory_limit_bytes,
            wake=janitor.wake,
            writers=writers,
            together=database.is_sqlite,
        ),
    )
    janitor.start()
    try:
        yield parts
    finally:
        parts.watcher.close()
        parts.renderer.close()
        uploaded.close()
        file_threads.shutdown(wait=False, cancel_futures=True)
        writers.shutdown()
        janitor.stop()
        dispatch.close()
        own.close()
        database.close()


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
    dispatch: CeleryDispatch,
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


def __getattr__(name: str) -> Any:
    """Make `service.main:app` when a server asks for it, and not when something is imported."""
    if name != "app":
        raise AttributeError(name)
    return create_app()
