"""What must happen unasked: hints are sent, lost ones again, jobs of silent workers taken back.

Every step is guarded in the database, so any number of processes may run these loops.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    DatabaseUnavailable,
    JobStore,
    LeaseStore,
    Outbox,
    StorageError,
    UnusableArtifactStore,
)
from service.jobs.dispatch import BrokerUnavailable

_BATCH = 100
_HOLD_S = 5.0
"""How long a hint that could not be sent is left alone."""
_REDISPATCHED = 1000
"""How many hints are ordered again in one turn."""
_STOP_S = 10.0
"""How long the steps in progress may take to end once the API is told to stop."""

logger = logging.getLogger(__name__)


class Dispatch(Protocol):
    """Sends hints to the broker."""

    def send(self, job_id: str) -> None:
        """Send one hint; raises BrokerUnavailable."""

    def waiting(self) -> int:
        """How many hints no worker has read yet; raises BrokerUnavailable."""


class Repeating:
    """Calls a step in a thread of its own every `interval_s` seconds, and at once when woken.

    A step that answers True has more to do, and gets its next turn at once. At least `gap_s` lie
    between two turns, so that under load one turn does the work of many, and requests get on
    beside much work. A step that fails is logged and tried again at its next turn; one that lacks
    the database or the store of files, or has to do with another database's, is logged once, until
    that is mended.
    """

    def __init__(
        self, name: str, step: Callable[[], bool | None], interval_s: float, gap_s: float = 0.0
    ) -> None:
        self._step = step
        self._interval_s = interval_s
        self._gap_s = gap_s
        self._waiting = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next turn now."""
        self._wake.set()

    def end(self) -> None:
        """Take no further turn."""
        self._stopping.set()
        self._wake.set()

    def stop(self, patience_s: float = _STOP_S) -> None:
        """Take no further turn, and let the step in progress end."""
        self.end()
        self._thread.join(patience_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            more = self._turn()
            self._stopping.wait(self._gap_s)
            if more:
                continue
            self._wake.wait(self._interval_s)
            self._wake.clear()

    def _turn(self) -> bool | None:
        try:
            more = self._step()
        except (ArtifactsUnavailable, DatabaseUnavailable, UnusableArtifactStore) as error:
            if not self._waiting:
                logger.warning("%s waits: %s", self._thread.name, error)
            self._waiting = True
            return False
        except Exception:
            logger.exception("%s failed; it goes on", self._thread.name)
            return False
        if self._waiting:
            logger.info("%s goes on", self._thread.name)
        self._waiting = False
        return more


class Sweep:
    """Sends what lies in the outbox."""

    def __init__(self, outbox: Outbox, dispatch: Dispatch) -> None:
        self._outbox = outbox
        self._dispatch = dispatch
        self._down = False

    def __call__(self) -> bool:
        """Send some hints, until the broker refuses one; True if there may be more to send."""
        taken = self._outbox.pending_dispatches(limit=_BATCH, hold_s=_HOLD_S)
        failpoint("sweep.taken")
        sent = []
        for hint in taken:
            if not self._send(hint.job_id):
                break
            sent.append(hint.outbox_id)
        failpoint("sweep.sent")
        if sent:
            self._outbox.mark_dispatched(sent)
        failpoint("sweep.struck_out")
        return len(sent) == _BATCH

    def _send(self, job_id: str) -> bool:
        try:
            self._dispatch.send(job_id)
        except BrokerUnavailable as error:
            if not self._down:
                logger.warning("the broker takes no hints; jobs wait in the outbox: %s", error)
            self._down = True
            return False
        if self._down:
            logger.info("the broker takes hints again")
        self._down = False
        return True


class Redispatch:
    """Orders new hints for as many jobs as the broker has lost hints.

    While hints of all claimable jobs lie unread, more of them would only fill the broker.
    """

    def __init__(self, outbox: Outbox, dispatch: Dispatch, wake: Callable[[], object]) -> None:
        self._outbox = outbox
        self._dispatch = dispatch
        self._wake = wake

    def __call__(self) -> None:
        """Order what is missing; nothing while the broker is away: the sweep says that it is."""
        # Counted first: a hint that is read in between is then missing, and not one too many.
        claimable = self._outbox.claimable()
        if not claimable:
            return
        try:
            missing = claimable - self._dispatch.waiting()
        except BrokerUnavailable:
            return
        if missing > 0 and self._outbox.redispatch(limit=min(missing, _REDISPATCHED)):
            failpoint("redispatch.committed")
            self._wake()


class Reaper:
    """Takes jobs back from workers that are silent.

    A worker cannot renew its lease while the database is away or the machine suspended. So each
    gets the time of a whole lease after that, and after the start, for nobody knows what was
    before. `interval_s` is the time between two turns.
    """

    def __init__(
        self,
        leases: LeaseStore,
        lease_s: float,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._leases = leases
        self._lease_s = lease_s
        self._longest_gap_s = max(lease_s, 2 * interval_s)
        self._clock = clock
        # The monotonic clock stands still while the machine sleeps; the database's does not.
        self._wall_clock = wall_clock
        self._last_turn = wall_clock()
        self._not_before = clock() + lease_s

    def __call__(self) -> None:
        """Take back what is due."""
        since, self._last_turn = self._last_turn, self._wall_clock()
        if self._last_turn - since > self._longest_gap_s:
            self._wait()
        asked = self._clock()
        try:
            if asked < self._not_before:
                # Asked all the same: the database may have gone again, or be away still.
                self._leases.ping()
                reaped = []
            else:
                reaped = self._leases.reap(deadline_grace_s=self._lease_s)
        except DatabaseUnavailable:
            self._wait()
            raise
        failpoint("reap.committed")
        if self._clock() - asked > self._lease_s / 2:
            self._wait()  # it held the workers' beats back for as long
        for job_id, status in reaped:
            logger.warning("%s lost its worker and is now %s", job_id, status.value)

    def _wait(self) -> None:
        self._not_before = self._clock() + self._lease_s


class Leftovers:
    """Deletes the checkpoints of jobs that ended without a worker: in the queue, or reaped."""

    def __init__(self, jobs: JobStore, artifacts: ArtifactStore) -> None:
        self._jobs = jobs
        self._artifacts = artifacts

    def __call__(self) -> None:
        """Delete what no attempt will go on from; nothing where no attempt can have left it."""
        if not self._jobs.any_started():
            return
        for job_id in self._artifacts.checkpointed():
            # The folder is younger than the row: where there is none, the job was deleted.
            record = self._jobs.get(job_id)
            if record is not None and not record.status.terminal:
                continue
            failpoint("leftovers.found")
            try:
                self._artifacts.discard_checkpoints(job_id)
            except (OSError, StorageError):
                logger.exception("checkpoints of %s, which has ended, are left", job_id)


class Janitor:
    """Runs all the loops."""

    def __init__(self, sweep: Repeating, *others: Repeating) -> None:
        self._sweep = sweep
        self._loops = (sweep, *others)

    def start(self) -> None:
        """Start every loop."""
        for loop in self._loops:
            loop.start()

    def wake(self) -> None:
        """Say that there is something in the outbox."""
        self._sweep.wake()

    def stop(self) -> None:
        """Stop every loop. Steps that wait for the same database or store wait together."""
        for loop in self._loops:
            loop.end()
        until = time.monotonic() + _STOP_S
        for loop in self._loops:
            loop.stop(max(0.0, until - time.monotonic()))
