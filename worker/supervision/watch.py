"""Watches one trainer from its start to its end: progress, lease, cancellation, deadline, hang."""

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from math import inf

import structlog

from ridgeline.api.curves import EpochRow
from ridgeline.api.job import JobStatus
from ridgeline.api.log import LogSource
from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    AttemptExit,
    Claim,
    DatabaseUnavailable,
    HeartbeatAnswer,
    LeaseStore,
    LogLine,
)
from worker.drain import Drain
from worker.settings import WorkerSettings
from worker.supervision.conclusion import (
    Cancelled,
    Completed,
    Crashed,
    Drained,
    Ending,
    Hung,
    Lost,
    Overdue,
    Paused,
    Refused,
)
from worker.supervision.hang_and_eta import EtaEstimator, HangDetector
from worker.supervision.journal import Journal, relay
from worker.supervision.outages import RETRY_S, Patience
from worker.trainer.frames import UnreadableMessage
from worker.trainer.messages import (
    Epoch,
    Failed,
    Finished,
    FromTrainer,
    LogMessage,
    Phase,
    Resumed,
    Stopped,
)
from worker.trainer.process import TrainerProcess

_MAX_STDERR = 1400
_BEFORE_CRASH = 400
_CRASH = "Fatal Python error"
"""The start of faulthandler's output."""
_LINES_S = 1.0
"""How long log lines wait for an epoch to be written with."""
_REST = 4
"""After a write of epochs, the pause as a multiple of its duration, so that many workers do not
overload one database."""
_MAX_REST_S = 0.2
"""The longest pause, for those who watch the curve."""

log = structlog.get_logger()


class Watch:
    """Writes what the trainer reports, under the claim's fence, and decides when it must end.

    All times are monotonic; the remaining time to the deadline comes from the database's clock.
    """

    def __init__(
        self,
        claim: Claim,
        epochs: int,
        trainer: TrainerProcess,
        leases: LeaseStore,
        settings: WorkerSettings,
        patience: Patience,
        journal: Journal,
    ) -> None:
        self._claim = claim
        self._trainer = trainer
        self._leases = leases
        self._settings = settings
        self._patience = patience
        self._drain = patience.drain
        self._journal = journal
        self._eta = EtaEstimator(epochs)
        self._resumed: deque[Resumed] = deque()
        self._unwritten: list[EpochRow] = []
        now = time.monotonic()
        self._deadline = inf if claim.remaining_s is None else now + claim.remaining_s
        self._hang = HangDetector(
            settings.hang_timeout_s, settings.hang_floor_s, look_s=2 * settings.heartbeat_s
        )
        self._next_beat = now + settings.heartbeat_s
        self._next_record = now
        self._next_lines = now + _LINES_S
        self._away_since: float | None = None
        self._pausing = False

    def until_end(self) -> Ending:
        """Watch until the trainer ends or must end; the process is gone afterwards.

        Its epochs are written by then, unless the job is lost. Raises DatabaseUnavailable if they
        cannot be written.
        """
        ending = None
        while ending is None:
            ending = self._receive(self._time_left(), self._drain) or self._duties()
        # Even after success: nothing may touch the files that are about to be published.
        self._trainer.kill()
        ending = self._with_stderr(ending)
        if self._record_due < inf and not isinstance(ending, Lost):
            answer = self._patience(self._record)
            return self._ending_for(answer) or ending
        return ending

    def _with_stderr(self, ending: Ending) -> Ending:
        """Log the end and the tail of standard error; a crash gets an excerpt as its detail."""
        log.info("trainer_ended", how=type(ending).__name__.lower())
        text = self._journal.clean(self._trainer.stderr.take_tail())
        if not text:
            return ending
        level = logging.ERROR if isinstance(ending, Crashed | Hung) else logging.INFO
        log.log(level, "trainer_stderr", source=LogSource.STDERR.value, text=text)
        if not isinstance(ending, Crashed) or ending.exit.detail:
            return ending
        # What led to a crash, and its first lines, explain more than the end of its stack.
        crash = text.rfind(_CRASH)
        begin = len(text) - _MAX_STDERR if crash < 0 else crash - _BEFORE_CRASH
        excerpt = text[max(0, begin) :][:_MAX_STDERR]
        return Crashed(replace(ending.exit, detail=f"standard error: {excerpt}"))

    def _receive(self, timeout: float, drain: Drain | None = None) -> Ending | None:
        """Handle the trainer's messages; return how it ended, if it did."""
        try:
            messages = self._trainer.receive(timeout, drain)
        except UnreadableMessage as error:
            log.warning("trainer_unreadable", because=str(error))
            self._trainer.kill()
            return Crashed(AttemptExit(detail=f"The trainer sent an unreadable message: {error}."))
        for message in messages:
            ending = self._handle(message)
            if ending is not None:
                return ending
        return Crashed(self._trainer.exit()) if self._trainer.gone else None

    def _handle(self, message: FromTrainer) -> Ending | None:
        match message:
            case Phase(name=name):
                self._hang.entered(name)
                return None
            case Epoch(row=row):
                self._unwritten.append(row)
                self._eta.epoch_ended(row)
                self._hang.epoch_ended(row.epoch)
                return None
            case Resumed(until=epoch):
                self._resumed.append(message)
                self._eta.resumed(epoch)
                self._hang.resumed(epoch)
                return None
            case LogMessage():
                with suppress(ValueError, TypeError, AttributeError):  # a malformed line is dropped
                    relay(message)
                return None
            case Finished():
                return Completed(message)
            case Failed(reason=reason, report=report):
                return Refused(reason, report)
            case Stopped() if self._pausing:
                return Paused()
        # Stopped without a request, so it gave up by itself.
        return Crashed(self._trainer.exit())

    def _duties(self) -> Ending | None:
        """Do what is due besides receiving; return how the attempt has to end, if it has to."""
        self._trainer.stderr.keep_short()
        now = time.monotonic()
        if self._drain.started:
            return self._wind_down(Drained())
        if now >= self._deadline:
            return Overdue()
        idle_s = self._hang.idle_s()
        if idle_s >= self._hang.limit_s:
            return Hung(idle_s, self._hang.phase)
        try:
            ending = self._write(now)
        except DatabaseUnavailable as error:
            return self._without_database(now, error)
        return self._wind_down(ending) if isinstance(ending, Cancelled) else ending

    def _write(self, now: float) -> Ending | None:
        """Write what is due; return how the attempt has to end, if it has to."""
        ending: Ending | None = None
        if now >= self._record_due:
            ending = self._ending_for(self._record())
            rest_s = min(_REST * (time.monotonic() - now), _MAX_REST_S)
            self._next_record = now + max(self._settings.progress_interval_s, rest_s)
            self._next_lines = now + _LINES_S
            self._away_since = None
        if ending is None and now >= self._next_beat:
            ending = self._ending_for(self._leases.heartbeat(self._claim, self._settings.lease_s))
            self._next_beat = now + self._settings.heartbeat_s
            self._away_since = None
        return ending

    def _ending_for(self, answer: HeartbeatAnswer | None) -> Ending | None:
        """How the attempt has to end after this reply to a write; None: continue training."""
        if answer is None:
            return Lost()
        if answer.status is JobStatus.PAUSING and not self._pausing:
            # No hurry: the epoch may end, however long it takes, and write its checkpoint. If the
            # job is resumed before that, it is queued again when this attempt releases it.
            log.info("trainer_told_to_stop", because="paused")
            self._pausing = True
            self._trainer.ask_to_stop()
        return Cancelled() if answer.status is JobStatus.CANCELLING else None

    @property
    def _record_due(self) -> float:
        """When to write what is unwritten; log lines wait a little to be written with epochs."""
        if self._resumed or self._unwritten:
            return self._next_record
        return self._next_lines if self._journal else inf

    def _record(self) -> HeartbeatAnswer | None:
        """Write what the trainer has reported; call it only if there is something to write."""
        answer = None
        while self._resumed:
            first = self._resumed[0]
            answer = self._leases.resume(self._claim, first.rows, first.until)
            if answer is None:
                return None
            failpoint("resume.committed")
            self._resumed.popleft()
        lines = self._journal.batch()
        if not self._unwritten and not lines:
            return answer
        try:
            answer = self._store(lines)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # better to lose lines than the job
            if not lines:
                raise
            log.warning("log_lines_lost", because=type(error).__name__)
            answer = self._store([])
        failpoint("epochs.committed")
        self._unwritten = []
        self._journal.settled()
        return answer

    def _store(self, lines: list[LogLine]) -> HeartbeatAnswer | None:
        if self._unwritten:
            eta_s = self._eta.eta_s
            return self._leases.record_epochs(self._claim, self._unwritten, eta_s, lines)
        if lines:
            return self._leases.write_log(self._claim, lines)
        return self._leases.heartbeat(self._claim, self._settings.lease_s)

    def _without_database(self, now: float, error: DatabaseUnavailable) -> Ending | None:
        """Continue for a while: without the database nobody else can claim the job either."""
        if self._away_since is None:
            self._away_since = now
            log.warning("database_away", error=str(error))
        self._next_beat = self._next_record = self._next_lines = now + RETRY_S
        return Lost() if now - self._away_since >= self._patience.limit_s else None

    def _wind_down(self, ending: Ending) -> Ending:
        """Ask the trainer to stop, then send SIGTERM; it is killed when the grace period ends.

        A result that arrives during a shutdown counts.
        """
        log.info("trainer_told_to_stop", because=type(ending).__name__.lower())
        grace = self._settings.cancel_grace_s
        # In a drain the whole grace is for the epoch's end and its checkpoint; SIGTERM would
        # interrupt that.
        before_term = grace if isinstance(ending, Drained) else grace / 2
        self._trainer.ask_to_stop()
        result = self._end_within(before_term)
        if result is None:
            self._trainer.terminate()
            result = self._end_within(grace - before_term)
        counts = isinstance(ending, Drained) and isinstance(result, Completed | Refused)
        return result if counts and result is not None else ending

    def _end_within(self, seconds: float) -> Ending | None:
        """How the trainer ends, or None if it has not ended after `seconds`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ending = self._receive(left)
            if ending is not None:
                return ending
        return None

    def _time_left(self) -> float:
        """Seconds until the next duty."""
        now = time.monotonic()
        hang = now + self._hang.limit_s - self._hang.idle_s()
        due = min(self._next_beat, self._record_due, self._deadline, hang)
        return max(0.0, due - now)
