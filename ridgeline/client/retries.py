"""When a request that did not get through is tried again."""

import random
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Retries:
    """How often, and for how long, a request is tried that did not get through.

    A request is tried again only where that does no harm: one that changes nothing or means the
    same twice, and a POST that carries an Idempotency-Key. The pauses double from the first to the
    longest, each shortened by chance so that clients do not come back all at once; a Retry-After
    of the service is waited for.
    """

    tries: int = 5
    """In all, the first one included."""
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0
    budget_s: float = 30.0
    """No new try begins so many seconds after the first one has failed."""
    patience_s: float = 120.0
    """For how long the service may stay away from a call that was under way already: a wait, a
    stream of events, a download or an upload. Only this limits their tries, and it begins anew
    with everything that arrives."""


class Attempts:
    """The tries of one call."""

    def __init__(self, retries: Retries, *, patient: bool = False) -> None:
        self._retries = retries
        self._tries = None if patient else retries.tries
        self._budget_s = retries.patience_s if patient else retries.budget_s
        self._failures = 0
        self._until = 0.0

    def progressed(self) -> None:
        """Begin anew: something got through."""
        self._failures = 0

    def pause_s(self, retry_after: float | None = None) -> float | None:
        """After a failure: how long to wait before the next try, or None if there is none."""
        now = time.monotonic()
        if not self._failures:
            self._until = now + self._budget_s
        self._failures += 1
        if self._tries is not None and self._failures >= self._tries:
            return None
        doubled = self._retries.first_pause_s * 2.0 ** min(self._failures - 1, 30)
        pause = min(doubled, self._retries.longest_pause_s)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause = max(pause, retry_after or 0.0)
        return pause if now + pause <= self._until else None
