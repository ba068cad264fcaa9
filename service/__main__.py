"""`python -m service`: serve the API until told to stop."""

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
"""Uvicorn's own exit status for it."""
LAST_S = 12.0
"""How long after RIDGELINE_SHUTDOWN_GRACE_S the application may take to stop."""

_REFUSAL = re.compile(r"Traceback .*\nridgeline\.storage\.errors\.\w+: (.*)", re.DOTALL)

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A uvicorn server that, told to stop, answers the requests that wait for a change.

    It ends only when all requests have, and a long poll may wait for a minute.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let requests end, stop the application."""
        parts = self._app.state.parts
        parts.watcher.close()
        last = threading.Timer(parts.settings.shutdown_grace_s + LAST_S, _give_up)
        last.daemon = True
        last.start()
        await super().shutdown(sockets)


def _plainly(record: logging.LogRecord) -> bool:
    """Tell why the application does not start in a sentence, where uvicorn has a traceback."""
    refusal = _REFUSAL.fullmatch(record.getMessage().rstrip())
    if refusal is not None:
        record.msg, record.args = "the API cannot start: %s", (refusal[1],)
    return True


def _give_up() -> None:
    """End, although a thread still waits for a database that is frozen, and maybe for ever.

    What it was asked to store was not answered, and is in the database or not.
    """
    logger.error("a database or a store does not answer; the API ends without waiting longer")
    os._exit(1)


def main() -> None:
    """Serve."""
    keep_chunks()
    configure_logs()
    logging.getLogger("uvicorn.error").addFilter(_plainly)
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
        log_config=None,  # uvicorn's lines go where ours go
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
