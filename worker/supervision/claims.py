"""The claims of one worker, each of which stands for an attempt that runs here."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from ridgeline.storage import Claim, DatabaseUnavailable, LeaseStore

log = structlog.get_logger()


class Claims:
    """Makes claims for `owner`, and gives back those that it never learned of.

    A claim may be committed although the database's answer is lost. Nobody would work at such a
    job, and the reaper would count its silence as a crash; so it is given back first.
    """

    def __init__(self, leases: LeaseStore, owner: str, lease_s: float) -> None:
        self._leases = leases
        self._owner = owner
        self._lease_s = lease_s
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._in_doubt = False

    @contextmanager
    def take(self, job_id: str) -> Iterator[Claim | None]:
        """A claim of the job for as long as the block runs; None if it is not to be had.

        Raises DatabaseUnavailable.
        """
        with self._held(lambda: self._leases.claim(job_id, self._owner, self._lease_s)) as claim:
            yield claim

    @contextmanager
    def take_next(self) -> Iterator[Claim | None]:
        """The same for the job that has waited longest; None: there is none."""
        with self._held(lambda: self._leases.claim_next(self._owner, self._lease_s)) as claim:
            yield claim

    @contextmanager
    def _held(self, ask: Callable[[], Claim | None]) -> Iterator[Claim | None]:
        claim = self._ask(ask)
        try:
            yield claim
        finally:
            if claim is not None:
                with self._lock:
                    self._running.discard(claim.job_id)

    def _ask(self, ask: Callable[[], Claim | None]) -> Claim | None:
        with self._lock:
            if self._in_doubt:
                for job_id in self._leases.hand_back(self._owner, besides=self._running):
                    log.warning("job_handed_back", job=job_id, because="its claim had no answer")
                self._in_doubt = False
            try:
                claim = ask()
            except DatabaseUnavailable:
                self._in_doubt = True
                raise
            if claim is not None:
                self._running.add(claim.job_id)
            return claim
