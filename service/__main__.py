"""`python -m service`: serve the API until told to stop."""

import linecache
import socket
import sys

import uvicorn
from fastapi import FastAPI

from ridgeline.logs import configure_logs
from service.main import create_app
from service.settings import Settings

STARTUP_FAILURE = 3
"""Uvicorn's own exit status for it."""


class Server(uvicorn.Server):
    """A uvicorn server that, told to stop, answers the requests that wait for a change.

    It ends only when all requests have, and a long poll may wait for a minute.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let requests end, stop the application."""
        self._app.state.parts.watcher.close()
        await super().shutdown(sockets)


def main() -> None:
    """Serve."""
    configure_logs()
    linecache.clearcache()  # pydantic has read the contract's sources, for its docstrings
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
