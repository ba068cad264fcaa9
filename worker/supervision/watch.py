"""Watches one trainer from its start to its end: progress, lease, cancellation, deadline, hang."""

import json
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
from ridgeline.storage import AttemptExit, Claim, DatabaseUnavailable, HeartbeatAnswer, LeaseStore
from ridgeline.storage import LogLine as LoggedLine
from worker.drain import Drain
from worker.settings import WorkerSettings
from worker.supervision.endings import (
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
from worker.supervision.journal import Journal, relay
from worker.supervision.patience import RETRY_S, Patience
from worker.supervision.progress import Pace, Progress
from worker.trainer.frames import UnreadableMessage
from worker.trainer.messages import (
    Epoch,
    Failed,
    Finished,
    FromTrainer,
    LogLine,
    Phase,
    Resumed,
    Stopped,
)
from worker.trainer.process import TrainerProcess

_LAST_WORDS = 1400
_BEFORE = 400
_CRASH = "Fatal Python error"
"""How faulthandler begins."""
_LINES_S = 1.0
"""How long lines of the log wait for an epoch to be written with."""

_REST = 4
"""For how many times as long as it took to write epochs none are written after it, so that many
workers do not overwhelm one database."""
_LONGEST_REST_S = 0.2
"""Whoever watches the curve does not wait for longer than that."""

log = structlog.get_logger()


class Watch:
    """Writes what the trainer reports, under the claim's fence, and decides when it has to end.

    All times are monotonic; the deadline was turned into a remainder by the database's clock.
    """

    def __init__(
        self,
        claim: Claim,
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
        self._pace = Pace(json.loads(claim.resolved)["training"]["epochs"])
        self._resumed: deque[Resumed] = deque()
        self._unwritten: list[EpochRow] = []
        now = time.monotonic()
        self._deadline = inf if claim.remaining_s is None else now + claim.remaining_s
        self._progress = Progress(
            settings.hang_timeout_s, settings.hang_floor_s, look_s=2 * settings.heartbeat_s
        )
        self._next_beat = now + settings.heartbeat_s
        self._next_record = now
        self._next_lines = now + _LINES_S
        self._away_since: float | None = None
        self._pausing = False

    def until_end(self) -> Ending:
        """Watch until the trainer has said its last word or has to end; it is gone afterwards.

        Its epochs are written then, unless the job is lost. Raises DatabaseUnavailable if they
        cannot be.
        """
        ending = None
        while ending is None:
            ending = self._hear(self._time_left(), self._drain) or self._duties()
        # A completed one too: nothing may touch the files that are about to be published.
        self._trainer.kill()
        ending = self._told(ending)
        if self._record_due < inf and not isinstance(ending, Lost):
            answer = self._patience(self._record)
            return self._word_of(answer) or ending
        return ending

    def _told(self, ending: Ending) -> Ending:
        """Log the end, with the last words that went past the trainer's own log."""
        log.info("trainer_ended", how=type(ending).__name__.lower())
        words = self._journal.clean(self._trainer.stderr.last_words())
        if not words:
            return ending
        level = logging.ERROR if isinstance(ending, Crashed | Hung) else logging.INFO
        log.log(level, "trainer_stderr", source=LogSource.STDERR.value, text=words)
        if not isinstance(ending, Crashed) or ending.exit.detail:
            return ending
        # What led to a crash, and its first lines, say more than the end of its stack.
        crash = words.rfind(_CRASH)
        begin = len(words) - _LAST_WORDS if crash < 0 else crash - _BEFORE
        said = words[max(0, begin) :][:_LAST_WORDS]
        return Crashed(replace(ending.exit, detail=f"it said: {said}"))

    def _hear(self, timeout: float, drain: Drain | None = None) -> Ending | None:
        """Take what the trainer says; its last word, if that was among it, or its death."""
        try:
            messages = self._trainer.receive(timeout, drain)
        except UnreadableMessage as error:
            log.warning("trainer_unreadable", because=str(error))
            self._trainer.kill()
            return Crashed(AttemptExit(detail=f"The trainer said what is no message: {error}."))
        for message in messages:
            ending = self._take(message)
            if ending is not None:
                return ending
        return Crashed(self._trainer.exit()) if self._trainer.gone else None

    def _take(self, message: FromTrainer) -> Ending | None:
        match message:
            case Phase(name=name):
                self._progress.entered(name)
                return None
            case Epoch(row=row):
                self._unwritten.append(row)
                self._pace.took(row)
                self._progress.epoch_ended(row.epoch)
                return None
            case Resumed(until=epoch):
                self._resumed.append(message)
                self._pace.resumed(epoch)
                self._progress.resumed(epoch)
                return None
            case LogLine():
                with suppress(ValueError, TypeError, AttributeError):  # it is the trainer's fault
                    relay(message)
                return None
            case Finished():
                return Completed(message)
            case Failed(reason=reason, report=report):
                return Refused(reason, report)
            case Stopped() if self._pausing:
                return Paused()
        # Nobody had asked it to stop, so it has broken off by itself.
        return Crashed(self._trainer.exit())

    def _duties(self) -> Ending | None:
        """What is due besides listening."""
        self._trainer.stderr.keep_short()
        now = time.monotonic()
        if self._drain.started:
            return self._wind_down(Drained())
        if now >= self._deadline:
            return Overdue()
        idle_s = self._progress.idle_s()
        if idle_s >= self._progress.limit_s:
            return Hung(idle_s, self._progress.phase)
        try:
            word = self._write(now)
        except DatabaseUnavailable as error:
            return self._without_database(now, error)
        return self._wind_down(word) if isinstance(word, Cancelled) else word

    def _write(self, now: float) -> Ending | None:
        """Write what is due, and learn whether to go on."""
        word: Ending | None = None
        if now >= self._record_due:
            word = self._word_of(self._record())
            rest_s = min(_REST * (time.monotonic() - now), _LONGEST_REST_S)
            self._next_record = now + max(self._settings.progress_interval_s, rest_s)
            self._next_lines = now + _LINES_S
            self._away_since = None
        if word is None and now >= self._next_beat:
            word = self._word_of(self._leases.heartbeat(self._claim, self._settings.lease_s))
            self._next_beat = now + self._settings.heartbeat_s
            self._away_since = None
        return word

    def _word_of(self, answer: HeartbeatAnswer | None) -> Ending | None:
        """What the database's answer to a write means for the attempt; None: go on."""
        if answer is None:
            return Lost()
        if answer.status is JobStatus.PAUSING and not self._pausing:
            # There is no hurry: the epoch may end, however long it takes, and its checkpoint be
            # written. A resume until then finds that the job is given back, and queues it again.
            log.info("trainer_told_to_stop", because="paused")
            self._pausing = True
            self._trainer.ask_to_stop()
        return Cancelled() if answer.status is JobStatus.CANCELLING else None

    @property
    def _record_due(self) -> float:
        """When to write what is unwritten; lines of the log wait for epochs, but not for long."""
        if self._resumed or self._unwritten:
            return self._next_record
        return self._next_lines if self._journal else inf

    def _record(self) -> HeartbeatAnswer | None:
        """Write what the trainer has reported; there is something."""
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
        except Exception as error:  # a lost line is better than a lost job
            if not lines:
                raise
            log.warning("log_lines_lost", because=type(error).__name__)
            answer = self._store([])
        failpoint("epochs.committed")
        self._unwritten = []
        self._journal.settled()
        return answer

    def _store(self, lines: list[LoggedLine]) -> HeartbeatAnswer | None:
        if self._unwritten:
            eta_s = self._pace.eta_s
            return self._leases.record_epochs(self._claim, self._unwritten, eta_s, lines)
        if lines:
            return self._leases.write_log(self._claim, lines)
        return self._leases.heartbeat(self._claim, self._settings.lease_s)

    def _without_database(self, now: float, error: DatabaseUnavailable) -> Ending | None:
        """Train on for a while: as long as the database is away, nobody can take the job."""
        if self._away_since is None:
            self._away_since = now
            log.warning("database_away", error=str(error))
        self._next_beat = self._next_record = self._next_lines = now + RETRY_S
        return Lost() if now - self._away_since >= self._patience.limit_s else None

    def _wind_down(self, ending: Ending) -> Ending:
        """Ask the trainer to stop, then tell it to; it is killed when the grace is over.

        A result that comes while this worker shuts down is as good as any.
        """
        log.info("trainer_told_to_stop", because=type(ending).__name__.lower())
        grace = self._settings.cancel_grace_s
        # The time of a drain is all for the epoch's end and its checkpoint: SIGTERM would cut that.
        until_told = grace if isinstance(ending, Drained) else grace / 2
        self._trainer.ask_to_stop()
        last_word = self._last_word(until_told)
        if last_word is None:
            self._trainer.terminate()
            last_word = self._last_word(grace - until_told)
        late = isinstance(ending, Drained) and isinstance(last_word, Completed | Refused)
        return last_word if late and last_word is not None else ending

    def _last_word(self, seconds: float) -> Ending | None:
        """What the trainer ends with, or None if it has not ended after `seconds`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ending = self._hear(left)
            if ending is not None:
                return ending
        return None

    def _time_left(self) -> float:
        """Seconds until the next duty."""
        now = time.monotonic()
        hang = now + self._progress.limit_s - self._progress.idle_s()
        due = min(self._next_beat, self._record_due, self._deadline, hang)
        return max(0.0, due - now)
