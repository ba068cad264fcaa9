"""What a request works with: the parts that live as long as the application.

The parts that take data sets in and give them out.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.storage import ArtifactStore, Database, JobStore
from ridgeline.storage.files.datasets import (
    DatasetFiles,
    DatasetGarbage,
    DatasetStore,
    UploadStore,
    open_datasets,
)
from ridgeline.storage.ownership import Ownership
from service.charts.rendering import Renderer
from service.datasets.inspection.bounds import Bounds
from service.datasets.inspection.inspector import AT_ONCE, Inspector
from service.datasets.receiving import Receiver
from service.events.feed import Feed, ReadEvents
from service.events.watch import Watcher
from service.janitor import Janitor
from service.jobs.dispatch import CeleryDispatch, NoBroker
from service.jobs.submissions import Submissions
from service.settings import Settings

Arguments = ParamSpec("Arguments")


Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class DatasetParts:
    """Everything that a request about a data set may need."""

    store: DatasetStore
    lookups: DatasetStore
    """The same data sets, for deps.read()."""
    uploads: UploadStore
    files: DatasetFiles
    receiver: Receiver
    inspector: Inspector
    garbage: DatasetGarbage
    assembling: asyncio.Semaphore
    """How many uploads are put together at once: each takes as much of the disk as its file."""

    def close(self) -> None:
        """Kill what looks through files."""
        self.inspector.close()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything a request may need."""

    settings: Settings
    database: Database
    jobs: JobStore
    lookups: JobStore
    """The same jobs, for read(): with SQLite it has a connection of its own, so that the event loop
    never waits for one that a thread holds."""
    curves: asyncio.Semaphore
    """How many curves are put together at once: long ones take memory, and the interpreter."""
    renderer: Renderer
    artifacts: ArtifactStore
    ownership: Ownership
    """To be confirmed before a file is stored or deleted."""
    datasets: DatasetParts
    readers: Executor
    dispatch: CeleryDispatch | NoBroker
    janitor: Janitor
    watcher: Watcher
    read_events: ReadEvents
    feed: Feed
    submissions: Submissions


async def read(
    database: Database,
    call: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Make a short read by key, where it is fastest.

    From SQLite in the event loop: reading a row of a local file takes less time than the way to
    another thread and back, and readers never wait for writers. `call` is one of Parts.lookups' or
    Parts.datasets.lookups'.
    """
    if database.is_sqlite:
        return call(*args, **kwargs)
    return await run_in_threadpool(call, *args, **kwargs)


async def get_parts(request: Request) -> Parts:
    """The parts of the application that serves `request`."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(get_parts)]


def dataset_parts(settings: Settings, database: Database, for_lookups: Database) -> DatasetParts:
    """Make the parts; close them when no request is left."""
    store, files = DatasetStore(database), open_datasets(settings)
    uploads = UploadStore(database, settings.upload_keep_s)
    bounds = Bounds(settings.inspection_memory_bytes, settings.inspection_timeout_s)
    return DatasetParts(
        store=store,
        lookups=DatasetStore(for_lookups),
        uploads=uploads,
        files=files,
        receiver=Receiver(settings.body_timeout_s),
        inspector=Inspector(bounds),
        garbage=DatasetGarbage(store, uploads, files, settings.garbage_age_s),
        assembling=asyncio.Semaphore(AT_ONCE),  # no more are looked through
    )
