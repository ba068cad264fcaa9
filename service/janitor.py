"""Background loops: hints are sent and resent, jobs of silent workers requeued, leftovers deleted.

Leftovers are checkpoints of ended jobs; orphaned files are the garbage collector's
(ridgeline.storage.files.garbage). An alarm warns when jobs wait and no worker claims them.

Every step is guarded in the database, so any number of processes may run these loops.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ridgeline.api.worker import WorkerState
from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    DatabaseUnavailable,
    FigureStore,
    JobStore,
    LeaseStore,
    Outbox,
    StorageError,
    UnusableArtifactStore,
    WorkerRecord,
    WorkerStore,
)
from service.jobs.dispatch import BrokerUnavailable

_BATCH = 100
_HOLD_S = 5.0
"""How long to wait before a hint is sent again that could not be sent."""
_REDISPATCHED = 1000
"""How many hints are ordered again in one turn at most."""
_STOP_S = 10.0
"""How long running steps may take to end when the API stops."""

STALL_S = 60.0
"""How long claimable jobs may wait before that counts as a stall."""
_STALLS = 2
"""How many consecutive checks must find a stall before it is reported."""

logger = logging.getLogger(__name__)


class Dispatch(Protocol):
    """Sends hints to the broker."""

    def send(self, job_id: str) -> None:
        """Send one hint; raises BrokerUnavailable."""

    def waiting(self) -> int:
        """How many hints the broker still holds; raises BrokerUnavailable."""


class Repeating:
    """Calls a step in its own thread every `interval_s` seconds, and immediately when woken.

    A step that returns True has more to do and is called again at once. At least `gap_s` lie
    between two calls, so that under load one call does the work of many, and requests are not
    starved. A failing step is logged and retried at its next turn. One that fails because the
    database or the file store is down, or foreign, is logged once until that is fixed.
    """

    def __init__(
        self, name: str, step: Callable[[], bool | None], interval_s: float, gap_s: float = 0.0
    ) -> None:
        self._step = step
        self._interval_s = interval_s
        self._gap_s = gap_s
        self._blocked = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Call the step now."""
        self._wake.set()

    def end(self) -> None:
        """Call the step no more."""
        self._stopping.set()
        self._wake.set()

    def stop(self, patience_s: float = _STOP_S) -> None:
        """Call the step no more, and wait for a running call to end."""
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
            if not self._blocked:
                logger.warning("%s is blocked: %s", self._thread.name, error)
            self._blocked = True
            return False
        except Exception:
            logger.exception("%s failed; it is retried at its next turn", self._thread.name)
            return False
        if self._blocked:
            logger.info("%s works again", self._thread.name)
        self._blocked = False
        return more


class Sweep:
    """Sends the hints of the outbox."""

    def __init__(self, outbox: Outbox, dispatch: Dispatch) -> None:
        self._outbox = outbox
        self._dispatch = dispatch
        self._broker_down = False

    def __call__(self) -> bool:
        """Send some hints, until the broker fails; True if there may be more to send."""
        pending = self._outbox.pending_dispatches(limit=_BATCH, hold_s=_HOLD_S)
        failpoint("sweep.taken")
        sent = []
        for hint in pending:
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
            if not self._broker_down:
                logger.warning("the broker accepts no hints; jobs wait in the outbox: %s", error)
            self._broker_down = True
            return False
        if self._broker_down:
            logger.info("the broker accepts hints again")
        self._broker_down = False
        return True


class Redispatch:
    """Orders as many new hints as the broker has lost.

    While the broker still holds hints for all claimable jobs, more would only fill it.
    """

    def __init__(self, outbox: Outbox, dispatch: Dispatch, wake: Callable[[], object]) -> None:
        self._outbox = outbox
        self._dispatch = dispatch
        self._wake = wake

    def __call__(self) -> None:
        """Order the missing hints; none while the broker is down, which the sweep reports."""
        # Counted first: a hint read in between then counts as missing, not as one too many.
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
    """Reclaims jobs of silent workers.

    A worker cannot renew its lease while the database is down or the machine is suspended. So after
    either, and after the start, it waits for the length of a lease. `interval_s` is the time
    between two turns.
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
        # The monotonic clock stops while the machine sleeps; the database's clock does not.
        self._wall_clock = wall_clock
        self._last_turn = wall_clock()
        self._not_before = clock() + lease_s

    def __call__(self) -> None:
        """Reclaim jobs whose lease has expired."""
        since, self._last_turn = self._last_turn, self._wall_clock()
        if self._last_turn - since > self._longest_gap_s:
            self._wait()
        began = self._clock()
        try:
            if began < self._not_before:
                # Pinged all the same: the database may still be down, or down again.
                self._leases.ping()
                reaped = []
            else:
                reaped = self._leases.reap(deadline_grace_s=self._lease_s)
        except DatabaseUnavailable:
            self._wait()
            raise
        failpoint("reap.committed")
        if self._clock() - began > self._lease_s / 2:
            self._wait()  # workers could not renew their leases meanwhile
        for job_id, status in reaped:
            logger.warning("%s lost its worker and is now %s", job_id, status.value)

    def _wait(self) -> None:
        self._not_before = self._clock() + self._lease_s


class Leftovers:
    """Deletes the checkpoints of jobs that ended without a worker: while queued, or reaped."""

    def __init__(self, jobs: JobStore, artifacts: ArtifactStore) -> None:
        self._jobs = jobs
        self._artifacts = artifacts

    def __call__(self) -> None:
        """Delete checkpoints that no attempt will resume from."""
        if not self._jobs.any_started():
            return  # no attempt, no checkpoints: spares listing a bucket
        for job_id in self._artifacts.checkpointed():
            # The record is older than the folder: without one, the job was deleted.
            record = self._jobs.get(job_id)
            if record is not None and not record.status.terminal:
                continue
            failpoint("leftovers.found")
            try:
                self._artifacts.discard_checkpoints(job_id)
            except (OSError, StorageError):
                logger.exception("%s has ended, but its checkpoints could not be deleted", job_id)


def stall(oldest_wait_s: float, since_claim_s: float, known: Sequence[WorkerRecord]) -> str | None:
    """Why jobs wait although they could run; None if they do not, or wait for a free slot.

    Claims must have stopped, too: between two jobs a slot is free for a moment.
    """
    if min(oldest_wait_s, since_claim_s) < STALL_S:
        return None
    ready = [worker for worker in known if worker.state is WorkerState.READY]
    if not ready:
        return "no worker is ready to claim it"
    free = [worker.id for worker in ready if len(worker.slots) > len(worker.jobs)]
    return f"{free[0]} has a free slot" if free else None


class StallAlarm:
    """Warns once when jobs wait although they could run, and logs when that is over.

    One check is not enough: a slot may be free for the moment between two long jobs.
    """

    def __init__(self, figures: FigureStore, store: WorkerStore, lease_s: float) -> None:
        self._figures = figures
        self._store = store
        self._lease_s = lease_s
        self._stalls = 0
        """How many consecutive checks have found a stall."""

    def __call__(self) -> None:
        """Check once."""
        waited, since_claim = self._figures.waiting()
        why = None
        if waited >= STALL_S:
            why = stall(waited, since_claim, self._store.list(self._lease_s))
        stalled, self._stalls = self._stalls >= _STALLS, self._stalls + 1 if why else 0
        if self._stalls == _STALLS:
            logger.warning("a job has waited for %.0f s: %s", waited, why)
        elif stalled and not why:
            logger.info("waiting jobs are claimed again")


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
        """Send new hints of the outbox now."""
        self._sweep.wake()

    def stop(self) -> None:
        """Stop every loop; running steps share the time to end."""
        for loop in self._loops:
            loop.end()
        until = time.monotonic() + _STOP_S
        for loop in self._loops:
            loop.stop(max(0.0, until - time.monotonic()))
