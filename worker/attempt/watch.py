"""Watches one trainer from its start to its end: progress, lease, cancellation, deadline, hang."""

import json
import time
from collections import deque
from math import inf

import structlog

from ridgeline.contract.curves import EpochRow
from ridgeline.contract.job import JobStatus
from ridgeline.storage import Claim, DatabaseUnavailable, HeartbeatAnswer, LeaseStore
from worker.attempt.endings import (
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
from worker.attempt.pace import Pace
from worker.attempt.patience import RETRY_S, Patience
from worker.settings import WorkerSettings
from worker.trainer.messages import Epoch, Failed, Finished, FromTrainer, Resumed, Stopped
from worker.trainer.process import TrainerProcess

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
    ) -> None:
        self._claim = claim
        self._trainer = trainer
        self._leases = leases
        self._settings = settings
        self._patience = patience
        self._drain = patience.drain
        self._pace = Pace(json.loads(claim.resolved)["training"]["epochs"])
        self._resumed: deque[Resumed] = deque()
        self._unwritten: list[EpochRow] = []
        now = time.monotonic()
        self._deadline = inf if claim.remaining_s is None else now + claim.remaining_s
        self._last_sign = now
        self._next_beat = now + settings.heartbeat_s
        self._next_record = now
        self._away_since: float | None = None
        self._pausing = False

    def until_end(self) -> Ending:
        """Watch until the trainer has said its last word or has to end; it is gone afterwards.

        Its epochs are written then, unless the job is lost. Raises DatabaseUnavailable if they
        cannot be.
        """
        ending = None
        while ending is None:
            ending = self._listen() or self._duties()
        # A completed one too: nothing may touch the files that are about to be published.
        self._trainer.kill()
        if self._has_unwritten and not isinstance(ending, Lost):
            answer = self._patience(self._record)
            return self._word_of(answer) or ending
        return ending

    def _listen(self) -> Ending | None:
        """Take what the trainer says; its last word, if that was among it, or its death."""
        for message in self._trainer.receive(self._time_left(), self._drain):
            ending = self._take(message)
            if ending is not None:
                return ending
        return Crashed(self._trainer.exit()) if self._trainer.gone else None

    def _take(self, message: FromTrainer) -> Ending | None:
        self._last_sign = time.monotonic()
        match message:
            case Epoch(row=row):
                self._unwritten.append(row)
                self._pace.took(row)
                return None
            case Resumed(until=epoch):
                self._resumed.append(message)
                self._pace.resumed(epoch)
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
        now = time.monotonic()
        if self._drain.started:
            return self._wind_down(Drained())
        if now >= self._deadline:
            return Overdue()
        silence = now - self._last_sign
        if silence >= self._settings.hang_timeout_s:
            return Hung(silence)
        try:
            word = self._write(now)
        except DatabaseUnavailable as error:
            return self._without_database(now, error)
        return self._wind_down(word) if isinstance(word, Cancelled) else word

    def _write(self, now: float) -> Ending | None:
        """Write what is due, and learn whether to go on."""
        word: Ending | None = None
        if self._has_unwritten and now >= self._next_record:
            word = self._word_of(self._record())
            self._next_record = now + self._settings.progress_interval_s
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
    def _has_unwritten(self) -> bool:
        return bool(self._resumed or self._unwritten)

    def _record(self) -> HeartbeatAnswer | None:
        """Write what the trainer has reported; there is something."""
        answer = None
        while self._resumed:
            first = self._resumed[0]
            answer = self._leases.resume(self._claim, first.rows, first.until)
            if answer is None:
                return None
            self._resumed.popleft()
        if self._unwritten:
            answer = self._leases.record_epochs(self._claim, self._unwritten, self._pace.eta_s)
            self._unwritten = []
        return answer

    def _without_database(self, now: float, error: DatabaseUnavailable) -> Ending | None:
        """Train on for a while: as long as the database is away, nobody can take the job."""
        if self._away_since is None:
            self._away_since = now
            log.warning("database_away", error=str(error))
        self._next_beat = self._next_record = now + RETRY_S
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
            for message in self._trainer.receive(left):
                ending = self._take(message)
                if ending is not None:
                    return ending
            if self._trainer.gone:
                return Crashed(self._trainer.exit())
        return None

    def _time_left(self) -> float:
        """Seconds until the next duty."""
        hang = self._last_sign + self._settings.hang_timeout_s
        record = self._next_record if self._has_unwritten else inf
        return max(0.0, min(self._next_beat, record, self._deadline, hang) - time.monotonic())
