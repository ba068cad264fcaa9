"""An HTTP proxy that passes whole answers on, but no stream."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Literal, Self

import httpx

_PASSED_ON = ("Content-Type", "ETag", "Location")

Way = Literal["keeps back", "refuses", "is no stream"]
"""What it does to a request for a stream: answers once the stream has ended; refuses it; answers
with something else."""


class Middlebox(ThreadingHTTPServer):
    """Stands before the service at `target` while the block lasts."""

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
        """Where it is asked."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Middlebox

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, httpx.HTTPError):
            """The client did not wait for it, or the test is over."""

    def do_GET(self) -> None:
        way = self.server.way
        if way == "keeps back" or "event-stream" not in self.headers["Accept"]:
            self._forward(b"")
            return
        status = 405 if way == "refuses" else 200
        self._answer(httpx.Response(status, html="<p>No streams here.</p>"))

    def do_POST(self) -> None:
        self._forward(self.rfile.read(int(self.headers["Content-Length"])))

    def _forward(self, body: bytes) -> None:
        kept = {name: text for name, text in self.headers.items() if name != "Host"}
        self._answer(
            self.server.upstream.request(self.command, self.path, content=body, headers=kept)
        )

    def _answer(self, answer: httpx.Response) -> None:
        self.send_response(answer.status_code)
        for name in _PASSED_ON:
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
