"""What a request works with: the parts that live as long as the application."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from ridgeline.storage import ArtifactStore, Database, JobStore
from ridgeline.storage.ownership import Ownership
from service.datasets.dataset_parts import DatasetParts
from service.dispatch import CeleryDispatch, NoBroker
from service.janitor import Janitor
from service.live.feed import Feed, ReadEvents
from service.live.watch import Watcher
from service.rendering import Renderer
from service.settings import Settings
from service.submissions import Submissions

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


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
