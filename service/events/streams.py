"""An event stream as a response: counted while it is open, and given up when nobody reads it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from fastapi.sse import EventSourceResponse
from starlette.types import Message, Receive, Scope, Send

from service.events.feed import Feed

STALLED_S = 60.0
"""How long a client may take nothing of what is sent; it can come back behind the last event."""

logger = logging.getLogger(__name__)


class EventStream(EventSourceResponse):
    """The stream of one job's events; raises ApiProblem (unavailable) if too many are open."""

    def __init__(
        self, feed: Feed, job_id: str, content: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        feed.admit()
        super().__init__(content, headers=headers)
        self._feed = feed
        self._job_id = job_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._feed.stream(self._job_id):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send it, as long as the client takes it."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALLED_S):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            logger.info("a stream of %s was not read for %.0f s", self._job_id, STALLED_S)
