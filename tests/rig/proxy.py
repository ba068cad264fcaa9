"""A TCP proxy that simulates a bad network."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.rig.process import free_port

_HOST = "127.0.0.1"
_CHUNK = 2**16
_CALL_S = 10.0
_FLUSH_S = 0.001

T = TypeVar("T")


class Proxy:
    """Passes bytes between its own port and `target` on the loopback address.

    It forwards at first and after forward(). It runs in its own thread; its methods may be called
    from any thread and have taken effect when they return.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.connections = 0
        """The number of accepted connections."""
        self._delay_s = 0.0
        self._left: int | None = None
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"proxy-{target}", daemon=True
        )
        self._thread.start()
        self.forward()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def forward(self) -> None:
        """Forward normally again, including the bytes held back by a stall."""
        self._call(self._forward())

    def refuse(self) -> None:
        """Break every connection and refuse new ones, as if nothing listened."""
        self._call(self._refuse())

    def cut(self) -> None:
        """Break every connection; new ones are forwarded."""
        self._call(self._cut())

    def stall(self) -> None:
        """Keep and accept connections, but forward nothing."""
        self._call(self._set(self._passing.clear))

    def delay(self, seconds: float) -> None:
        """Delay every chunk by `seconds`."""
        self._call(self._set(lambda: setattr(self, "_delay_s", seconds)))

    def cut_after(self, count: int) -> None:
        """Forward `count` more bytes (both directions), then break every connection once."""
        self._call(self._set(lambda: setattr(self, "_left", count)))

    def close(self) -> None:
        """Break every connection and end the thread."""
        if self._loop.is_closed():
            return
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_S)

    async def _set(self, change: Callable[[], None]) -> None:
        change()

    async def _forward(self) -> None:
        self._delay_s, self._left = 0.0, None
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, _HOST, self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        await self._refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            """Either side is gone, or the proxy is closing."""
        finally:
            self._drop(writer)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        their_reader, their_writer = await asyncio.open_connection(_HOST, self.target)
        self._writers.add(their_writer)
        try:
            await asyncio.gather(self._pump(reader, their_writer), self._pump(their_reader, writer))
        finally:
            self._drop(their_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._passing.wait()
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if self._left is not None:
                data, self._left = data[: self._left], max(0, self._left - len(data))
            writer.write(data)
            await writer.drain()
            if self._left == 0:
                self._left = None
                # Let the last bytes through; a transport has no event for that.
                while writer.transport.get_write_buffer_size():  # noqa: ASYNC110
                    await asyncio.sleep(_FLUSH_S)
                await self._cut()
        if writer.can_write_eof():
            writer.write_eof()

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort()
