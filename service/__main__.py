"""`python -m service`: serve the API until it is stopped."""

import logging
import os
import re
import socket
import sys
import threading

import uvicorn
from fastapi import FastAPI

from ridgeline.logs import configure_logs
from service.allocator import keep_chunks
from service.main import create_app
from service.settings import Settings

STARTUP_FAILURE = 3
"""Uvicorn's exit status for it."""
CLOSING_S = 12.0
"""How long the application may take to stop, after RIDGELINE_SHUTDOWN_GRACE_S."""

_STARTUP_ERROR = re.compile(r"Traceback .*\nridgeline\.storage\.errors\.\w+: (.*)", re.DOTALL)

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A uvicorn server that answers long polls when it is stopped.

    Uvicorn waits for all requests to end, and a long poll may take a minute.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let requests end, stop the application."""
        services = self._app.state.services
        services.watcher.close()
        timer = threading.Timer(services.settings.shutdown_grace_s + CLOSING_S, _exit)
        timer.daemon = True
        timer.start()
        await super().shutdown(sockets)


def _shortened(record: logging.LogRecord) -> bool:
    """Log filter: replace uvicorn's traceback of a failed start by the reason in one sentence."""
    error = _STARTUP_ERROR.fullmatch(record.getMessage().rstrip())
    if error is not None:
        record.msg, record.args = "the API cannot start: %s", (error[1],)
    return True


def _exit() -> None:
    """Exit although a thread still waits for a database that hangs, perhaps forever.

    Its request has got no answer, so the client does not know whether the job was stored.
    """
    logger.error("the database or the file store does not answer; the API exits without it")
    os._exit(1)


def main() -> None:
    """Serve."""
    keep_chunks()
    configure_logs()
    logging.getLogger("uvicorn.error").addFilter(_shortened)
    settings = Settings()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,  # uvicorn logs through our handlers
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )
    server = Server(app, config)
    try:
        server.run()
    except KeyboardInterrupt:
        return
    if not server.started:
        sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
