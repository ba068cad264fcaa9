"""An HTTP proxy that forwards whole responses but no stream."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Literal, Self

import httpx

_FORWARDED_HEADERS = ("Content-Type", "ETag", "Location")

Way = Literal["buffers", "rejects", "sends a page"]
"""The treatment of a stream request: buffer it to its end, reject it, or respond with a page."""


class Middlebox(ThreadingHTTPServer):
    """Forwards to the service at `target` during the block."""

    daemon_threads = True

    def __init__(self, target: str, way: Way) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.way = way
        self.upstream = httpx.Client(base_url=target, trust_env=False, timeout=30)
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.upstream.close()
        self.server_close()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Middlebox

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, httpx.HTTPError):
            """The client disconnected, or the test is over."""

    def do_GET(self) -> None:
        way = self.server.way
        if way == "buffers" or "event-stream" not in self.headers["Accept"]:
            self._forward(b"")
            return
        status = 405 if way == "rejects" else 200
        self._respond(httpx.Response(status, html="<p>No streams here.</p>"))

    def do_POST(self) -> None:
        self._forward(self.rfile.read(int(self.headers["Content-Length"])))

    def _forward(self, body: bytes) -> None:
        kept = {name: text for name, text in self.headers.items() if name != "Host"}
        self._respond(
            self.server.upstream.request(self.command, self.path, content=body, headers=kept)
        )

    def _respond(self, response: httpx.Response) -> None:
        self.send_response(response.status_code)
        for name in _FORWARDED_HEADERS:
            if name in response.headers:
                self.send_header(name, response.headers[name])
        self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
