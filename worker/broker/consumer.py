"""Celery's consumer and thread pool, adapted: quick to reconnect, and aware of free slots."""

import time
from concurrent.futures import Future
from typing import Any

import structlog
from celery import Celery
from celery.concurrency.thread import TaskPool
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.asynchronous.hub import Hub

from worker.slots.slots import SlotPool

RETRY_S = 1
"""Between two attempts to connect. Celery's own interval grows to half a minute, which would delay
the first hint after the broker's return by as much."""
STABLE_S = 5.0
"""A connection lost sooner is renewed only after RETRY_S: a broker that accepts connections and
rejects commands, as Redis does while its disk is full, would otherwise cause a busy loop."""
LOG_AGAIN_S = 60.0
"""The shortest time between two log lines about the same error."""

log = structlog.get_logger()


class ReconnectingConsumer(Consumer):
    """Tries once a second to reach a broker that is away, and logs each error once a minute."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lost_at = float("-inf")
        self._away_since: float | None = None
        self._logged_at: dict[str, float] = {}

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, however long that takes; raises WorkerShutdown when the worker shuts down."""
        connected = conn.ensure_connection(
            self._log_error, interval_start=RETRY_S, interval_max=RETRY_S, callback=maybe_shutdown
        )
        self.first_connection_attempt = False
        return connected

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait; Celery reconnects when this returns."""
        self._log_error(exc)
        self._rest()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Release the connection; Celery reconnects when this returns."""
        self._log_error(exc)
        super().on_connection_error_after_connected(exc)
        self._rest()

    def on_ready(self) -> None:
        """Log the end of an outage; hints arrive from here on."""
        super().on_ready()
        if self._away_since is not None:
            log.info("broker_back", after_s=round(time.monotonic() - self._away_since, 1))
            self._away_since = None

    def _rest(self) -> None:
        """Sleep for RETRY_S if the previous connection was lost less than STABLE_S ago."""
        if time.monotonic() - self._lost_at < STABLE_S:
            time.sleep(RETRY_S)
        self._lost_at = time.monotonic()

    def _log_error(self, exc: Exception, _interval: float = 0.0) -> None:
        """Log why there is no broker, unless that was logged within the last minute."""
        now = time.monotonic()
        recent = {text: at for text, at in self._logged_at.items() if now - at < LOG_AGAIN_S}
        self._logged_at = recent
        because = str(exc)  # not its type: Kombu wraps Redis's errors but keeps their text
        if because not in recent:
            recent[because] = now
            self._away_since = self._away_since or now
            log.warning("broker_away", because=because, error=type(exc).__name__)


class SlotPoolApp(Celery):
    """A Celery application whose worker shares its slots with the database's polls."""

    slots: SlotPool


class WakingPool(TaskPool):
    """A thread pool that wakes Celery's event loop when a thread or a slot becomes free.

    With `worker_disable_prefetch` the loop receives nothing while all threads are busy, and checks
    them again only when something wakes it: without this pool, up to a second later.
    """

    app: SlotPoolApp
    _hub: Hub | None = None

    @property
    def num_processes(self) -> int:
        """How many messages may be received at once: a hint without a free slot would be lost."""
        return self.app.slots.for_hints

    def register_with_event_loop(self, loop: Hub) -> None:
        """Remember the loop to wake."""
        self._hub = loop
        self.app.slots.when_free(self._wake)

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        """Run a task in a thread."""
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _: "Future[Any] | None" = None) -> None:
        if self._hub is not None:
            self._hub.call_soon(_nothing)  # thread-safe, and wakes the loop


def _nothing() -> None:
    """Do nothing: the call itself wakes the loop."""
