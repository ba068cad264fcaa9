"""Patience with a database that is away: without it nobody else can take the job either.

And with an artifact store, for as long as the lease is kept.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from ridgeline.storage import ArtifactsUnavailable, DatabaseUnavailable
from worker.drain import Drain

PATIENCE_S = 300.0
RETRY_S = 0.5
IN_DRAIN_S = 5.0

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True)
class Patience:
    """Repeats what the database or the artifact store did not answer."""

    drain: Drain
    limit_s: float = PATIENCE_S
    """How long a worker goes on without the database."""

    def __call__(self, call: Callable[[], T]) -> T:
        """Call until it answers; raises its DatabaseUnavailable or ArtifactsUnavailable in the end.

        A worker that shuts down cannot wait for long: the reaper will take the job.
        """
        started = time.monotonic()
        while True:
            try:
                return call()
            except (ArtifactsUnavailable, DatabaseUnavailable) as error:
                limit = min(self.limit_s, IN_DRAIN_S) if self.drain.started else self.limit_s
                if time.monotonic() - started >= limit:
                    raise
                database = isinstance(error, DatabaseUnavailable)
                log.warning("database_away" if database else "artifacts_away", error=str(error))
            if self.drain.started:
                time.sleep(RETRY_S)
            else:
                self.drain.wait(RETRY_S)
