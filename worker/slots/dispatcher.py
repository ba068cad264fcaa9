"""Brings jobs and slots together: by hints from the broker, and by asking the database.

The broker only makes it quicker. Without it a free slot finds the next job within a poll, and a
slot that becomes free at once.
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
        """Run one attempt of the job, if it is to be had."""

    def supervise_next(self, slot: Slot) -> bool:
        """Run one attempt of the job that has waited longest; False: there is none."""


class Dispatcher:
    """Starts attempts while there are free slots, until `drain` starts."""

    def __init__(
        self, attempts: Attempts, slots: SlotPool, drain: Drain, poll_interval_s: float
    ) -> None:
        self._attempts = attempts
        self._slots = slots
        self._drain = drain
        self._poll_interval_s = poll_interval_s
        self._turn = threading.Condition()
        self._turns = 0
        self._threads = [
            threading.Thread(target=self._poll, name=f"poll-{number}", daemon=True)
            for number in range(slots.size)
        ]

    def start(self) -> None:
        """Begin to ask the database, in one thread for each slot."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Return once no attempt runs that the database told of; the drain has started."""
        self._wake()
        for thread in self._threads:
            thread.join()

    def take_hint(self, job_id: str) -> None:
        """Run one attempt of the job here and now, if a slot is free.

        Otherwise the hint is dropped: the slot that becomes free first asks the database.
        """
        slot = None if self._drain.started else self._slots.take()
        if slot is None:
            because = "this worker shuts down" if self._drain.started else "no slot is free"
            log.info("hint_dropped", job=job_id, because=because)
            self._wake()  # a thread may have the slot that asked the database before the job was in
            return
        try:
            self._attempts.supervise(job_id, slot)
        finally:
            self._slots.give_back(slot)
            self._wake()

    def _poll(self) -> None:
        while not self._drain.started:
            seen = self._turns
            try:
                found = self._take_next()
            except Exception:  # without this thread the slot would stand idle from now on
                log.exception("poll_failed")
                found = False
            if not found:
                self._wait_for_turn(seen)

    def _take_next(self) -> bool:
        """Run the attempt that is due, if there is one and a slot for it."""
        slot = self._slots.take(polled=True)
        if slot is None:
            return False
        try:
            return self._attempts.supervise_next(slot)
        finally:
            self._slots.give_back(slot)

    def _wait_for_turn(self, seen: int) -> None:
        """Wait until a slot has become free since, or the time has come to look anyway."""
        with self._turn:
            self._turn.wait_for(lambda: self._turns > seen, self._poll_interval_s)

    def _wake(self) -> None:
        with self._turn:
            self._turns += 1
            self._turn.notify_all()
