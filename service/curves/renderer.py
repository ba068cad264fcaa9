"""Runs the process that draws pictures: started on demand, ended when idle."""

import asyncio
import logging
import os
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from service.errors import RendererBusy, RenderingFailed

Picture = Literal["svg", "png"]

_CHILD = Path(__file__).with_name("renderer_child.py")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
"""Environment variables that the child needs; others may be secrets."""

logger = logging.getLogger(__name__)


class _Lost(Exception):
    """The child died, or did not answer in time."""


class Renderer:
    """Draws Vega-Lite charts in a child process, one at a time.

    Args:
        most: how many pictures may be pending, including the one being drawn.
        timeout_s: how long a picture may take before the child is killed.
        idle_s: how long an idle child is kept.
    """

    def __init__(self, *, most: int = 16, timeout_s: float = 25.0, idle_s: float = 60.0) -> None:
        self._most = most
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._requests = 0
        self._closed = False
        self._end_later: asyncio.TimerHandle | None = None
        # One thread, the only one that talks to the child.
        self._thread = ThreadPoolExecutor(1, "renderer")
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    async def render(self, request: bytes) -> bytes:
        """Draw the picture of a request; renderer_child.py describes its format.

        Raises RendererBusy and RenderingFailed.
        """
        if self._requests >= self._most or self._closed:
            raise RendererBusy
        self._requests += 1
        self._keep()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._render, request)
        finally:
            self._requests -= 1
            self._end_when_idle()

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        process = self._process
        return None if process is None else process.pid

    def close(self) -> None:
        """Kill the child; pending pictures fail."""
        if self._closed:
            return
        self._closed = True
        self._keep()
        process = self._process
        if process is not None:
            process.kill()
        self._thread.submit(self._end)
        self._thread.shutdown()

    def _keep(self) -> None:
        if self._end_later is not None:
            self._end_later.cancel()
            self._end_later = None

    def _end_when_idle(self) -> None:
        if not self._requests and not self._closed:
            loop = asyncio.get_running_loop()
            self._end_later = loop.call_later(self._idle_s, self._thread.submit, self._end)

    def _render(self, request: bytes) -> bytes:
        """In the thread: send a request to the child, and to a new one if it dies."""
        for _ in range(2):
            if self._closed:
                break
            try:
                success, content = self._exchange(request)
            except _Lost as lost:
                logger.warning("the process that draws charts died: %s", lost)
                self._end()
                continue
            if success:
                return content
            raise RenderingFailed(content.decode())
        raise RenderingFailed("the process that draws charts died twice")

    def _exchange(self, request: bytes) -> tuple[bool, bytes]:
        connection = self._connection()
        try:
            connection.sendall(struct.pack(">I", len(request)) + request)
            success, size = struct.unpack(">?I", _received(connection, 5))
            return success, _received(connection, size)
        except OSError as error:  # TimeoutError among them
            raise _Lost(error) from None

    def _connection(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self._end()
        ours, theirs = socket.socketpair()
        ours.settimeout(self._timeout_s)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_CHILD)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                process_group=0,  # Ctrl-C in a terminal goes to the API, which ends the child
            )
        self._socket = ours
        return ours

    def _end(self) -> None:
        """In the thread: kill the child and wait for its end."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _received(connection: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = connection.recv(min(size - len(content), 2**20))
        if not chunk:
            raise _Lost("it closed the connection")
        content += chunk
    return bytes(content)
