"""Matches jobs with free slots: on hints from the broker, and by polling the database.

The broker only saves time. Without it a free slot finds the next job within one poll interval, and
a slot that becomes free polls at once.
"""

import threading
from typing import Protocol

import structlog

from worker.drain import Drain
from worker.slots.slots import Slot, SlotPool

log = structlog.get_logger()


class Attempts(Protocol):
    """Runs attempts; raises nothing."""

    def supervise(self, job_id: str, slot: Slot) -> None:
        """Run one attempt of the job in `slot`, if the job can be claimed."""

    def supervise_next(self, slot: Slot) -> bool:
        """Run one attempt of the job that has waited longest; False: no job can be claimed."""


class Dispatcher:
    """Starts attempts while there are free slots, until `drain` starts."""

    def __init__(
        self, attempts: Attempts, slots: SlotPool, drain: Drain, poll_interval_s: float
    ) -> None:
        self._attempts = attempts
        self._slots = slots
        self._drain = drain
        self._poll_interval_s = poll_interval_s
        self._wake = threading.Condition()
        self._wakes = 0
        self._threads = [
            threading.Thread(target=self._poll, name=f"poll-{number}", daemon=True)
            for number in range(slots.size)
        ]

    def start(self) -> None:
        """Start polling the database, with one thread per slot."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the end of all polled attempts, after the drain has started."""
        self.wake()
        for thread in self._threads:
            thread.join()

    def take_hint(self, job_id: str) -> None:
        """Run one attempt of the job in this thread, if a slot is free.

        Otherwise drop the hint: the next slot that becomes free polls the database.
        """
        slot = None if self._drain.started else self._slots.acquire()
        if slot is None:
            because = "this worker is shutting down" if self._drain.started else "no slot is free"
            log.info("hint_dropped", job=job_id, because=because)
            # The slot may be held by a thread that polled just before the job was queued.
            self.wake()
            return
        try:
            self._attempts.supervise(job_id, slot)
        finally:
            self._slots.release(slot)
            self.wake()

    def wake(self) -> None:
        """Have every free slot poll the database now."""
        with self._wake:
            self._wakes += 1
            self._wake.notify_all()

    def _poll(self) -> None:
        while not self._drain.started:
            seen = self._wakes
            try:
                ran = self._run_next()
            except Exception:  # if this thread ended, its slot would stay idle
                log.exception("poll_failed")
                ran = False
            if not ran:
                self._wait(seen)

    def _run_next(self) -> bool:
        """Run the attempt that is due; False: there is none, or no slot for it."""
        slot = self._slots.acquire(polled=True)
        if slot is None:
            return False
        try:
            return self._attempts.supervise_next(slot)
        finally:
            self._slots.release(slot)

    def _wait(self, seen: int) -> None:
        """Wait until a slot has become free since `seen`, or for one poll interval."""
        with self._wake:
            self._wake.wait_for(lambda: self._wakes > seen, self._poll_interval_s)
