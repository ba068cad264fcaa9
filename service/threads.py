"""Work that threads do for the event loop."""

import asyncio
from collections.abc import Collection
from typing import Any, TypeVar

Result = TypeVar("Result")


async def outcome(working: "asyncio.Future[Result]") -> Result:
    """What a thread's work gives, or raises.

    To await the future itself would let a caller that is cancelled mark it as done, although the
    thread goes on: with a file, say, that is then closed under its hands.
    """
    if not working.done():
        await asyncio.wait([working])
    return working.result()


async def ended(working: "Collection[asyncio.Future[Any]]") -> None:
    """Wait until threads have ended their work, whatever came of it."""
    if working:
        await asyncio.wait(working)
    for each in working:
        each.exception()  # looked at, so that nobody calls it forgotten
