"""Awaiting work that threads do for the event loop."""

import asyncio
from collections.abc import Collection
from typing import Any, TypeVar

Result = TypeVar("Result")


async def outcome(working: "asyncio.Future[Result]") -> Result:
    """The result of a thread's work, or its exception.

    Awaiting the future itself would mark it as done when the caller is cancelled, although the
    thread still works: on a file, for example, that the caller then closes.
    """
    if not working.done():
        await asyncio.wait([working])
    return working.result()


async def ended(working: "Collection[asyncio.Future[Any]]") -> None:
    """Wait until threads have ended their work, successfully or not."""
    if working:
        await asyncio.wait(working)
    for future in working:
        future.exception()  # retrieved, so that asyncio does not report it as lost
