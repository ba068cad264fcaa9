"""Celery's consumer, which is back soon after its broker, and needs few words while it is away."""

import time
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection

RETRY_S = 1
"""Between two tries. Celery's own waits grow to half a minute, which is what a broker's return then
costs."""
STEADY_S = 5.0
"""A connection that is lost sooner is made again after RETRY_S: a broker that refuses what is asked
of it, as Redis does while its disk is full, would be asked without end."""
SAID_AGAIN_S = 60.0
"""When the same trouble is told of again."""

log = structlog.get_logger()


class ReturningConsumer(Consumer):
    """Tries once a second to reach a broker that is away."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lost_at = float("-inf")
        self._away_since: float | None = None
        self._said: dict[str, float] = {}

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, however long that takes; raises WorkerShutdown once the worker is to end."""
        connected = conn.ensure_connection(
            self._tell, interval_start=RETRY_S, interval_max=RETRY_S, callback=maybe_shutdown
        )
        self.first_connection_attempt = False
        return connected

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Nothing to let go; the connection is made again when this returns."""
        self._tell(exc)
        self._rest()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let the connection go; it is made again when this returns."""
        self._tell(exc)
        super().on_connection_error_after_connected(exc)
        self._rest()

    def on_ready(self) -> None:
        """Hints come from here on."""
        super().on_ready()
        if self._away_since is not None:
            log.info("broker_back", after_s=round(time.monotonic() - self._away_since, 1))
            self._away_since = None

    def _rest(self) -> None:
        """Wait, unless the connection was good for a while."""
        if time.monotonic() - self._lost_at < STEADY_S:
            time.sleep(RETRY_S)
        self._lost_at = time.monotonic()

    def _tell(self, exc: Exception, _interval: float = 0.0) -> None:
        """Say why there is no broker, unless it was said a moment ago."""
        now = time.monotonic()
        self._said = {why: at for why, at in self._said.items() if now - at < SAID_AGAIN_S}
        why = str(exc)  # not its type: Kombu's errors say what Redis's do
        if why not in self._said:
            self._said[why] = now
            self._away_since = self._away_since or now
            log.warning("broker_away", because=why, error=type(exc).__name__)
